CREATE OR REPLACE FUNCTION cadence_reporting.seen_by(at timestamptz, axis text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE axis WHEN 'observed' THEN at ELSE 'infinity' END
