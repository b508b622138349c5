CREATE OR REPLACE VIEW cadence_reporting.cadence_history AS
SELECT * FROM cadence_reporting.history_known_by('infinity')
