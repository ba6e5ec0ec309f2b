"""What `rows` says to SQLite: the statements that leave the rows of MLflow's client."""

INSERT_RUN = """
INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,
    start_time, source_version, lifecycle_stage, artifact_uri, experiment_id)
VALUES (?, ?, 'UNKNOWN', '', '', ?, 'RUNNING', ?, '', 'active', ?, ?)
"""
INSERT_TAG = """
INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)
ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value
"""
INSERT_PARAM = "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)"
# What is there with an equal step, time and value is no second point.
INSERT_METRIC = """
INSERT INTO metrics (key, value, timestamp, step, run_uuid, is_nan) VALUES (?, ?, ?, ?, ?, 0)
ON CONFLICT (key, timestamp, step, run_uuid, value, is_nan) DO NOTHING
"""
INSERT_LATEST = """
INSERT INTO latest_metrics (key, value, timestamp, step, run_uuid, is_nan)
VALUES (?, ?, ?, ?, ?, 0)
ON CONFLICT (key, run_uuid) DO UPDATE
SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = 0
WHERE (excluded.step, excluded.timestamp, excluded.value)
    > (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)
"""
INSERT_DATASET = """
INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type,
    dataset_source)
VALUES (?, ?, ?, ?, 'local', ?)
ON CONFLICT (experiment_id, name, digest) DO NOTHING
"""
INSERT_INPUT = """
INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step)
SELECT ?, 'DATASET', dataset_uuid, 'RUN', ?, 0
FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?
ON CONFLICT (source_type, source_id, destination_type, destination_id) DO NOTHING
"""
INSERT_INPUT_TAG = "INSERT INTO input_tags (input_uuid, name, value) VALUES (?, ?, ?)"
ACTIVE_EXPERIMENT = """
SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'
"""
ACTIVE_RUN = """
SELECT 1 FROM runs WHERE run_uuid = ? AND experiment_id = ? AND lifecycle_stage = 'active'
"""
END_RUN = """
UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ? AND lifecycle_stage = 'active'
"""
