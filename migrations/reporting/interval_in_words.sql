CREATE OR REPLACE FUNCTION cadence_reporting.interval_in_words(unit integer, period text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN unit IS NULL OR period = 'immediately' THEN period
    WHEN unit = 1 THEN 'every ' || rtrim(period, 's')
    ELSE 'every ' || unit::text || ' ' || period
END
