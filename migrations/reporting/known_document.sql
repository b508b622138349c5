CREATE OR REPLACE AGGREGATE cadence_reporting.known_document(document jsonb, field text, value jsonb) (
    SFUNC = cadence_reporting.with_field, STYPE = jsonb, PARALLEL = SAFE
)
