"""One program of the official Python client: each function that has an effect on a server is called, and the effect is checked.

It runs outside, with a job's id in its environment, and prints the names of what it has checked.
"""

import inspect
import io
import json
import os
import sys
import tempfile

import httpx
import wmill
from wmill import S3Object

asked = json.loads(sys.argv[1])
job = os.environ["WM_JOB_ID"]
covered = set()


def check(names, actual, expected):
    if json.dumps(actual, default=str) != json.dumps(expected, default=str):
        raise AssertionError(f"{names}: {actual!r} should be {expected!r}")
    covered.update(names.split())


def refused(names, call, expected):
    try:
        text = f"gave {call()!r}"
    except Exception as error:
        text = f"{type(error).__name__} {error}"
    if expected not in text:
        raise AssertionError(f"{names}: {text} should have {expected!r}")
    covered.update(names.split())


client = wmill.Windmill()

# Jobs.
check("run_script", wmill.run_script(path="f/helpers/add", args={"a": 1, "b": 2}), 3)
check("run_script_by_path", wmill.run_script_by_path("f/helpers/add", {"a": 2, "b": 2}), 4)
check("run_script_by_hash", wmill.run_script_by_hash(asked["hash"], {"a": 2, "b": 3}), 5)
check("run_script_sync", wmill.run_script_sync(asked["hash"], {"a": 3, "b": 3}), 6)
check("run_script_by_path_sync", wmill.run_script_by_path_sync("f/helpers/add", {"a": 3, "b": 4}), 7)
by_path = wmill.run_script_by_path_async("f/helpers/add", {"a": 4, "b": 4})
check("run_script_by_path_async wait_job", client.wait_job(by_path), 8)
by_hash = wmill.run_script_by_hash_async(asked["hash"], {"a": 4, "b": 5})
check("run_script_by_hash_async", client.wait_job(by_hash), 9)
either = wmill.run_script_async("f/helpers/add", {"a": 5, "b": 5})
check("run_script_async", client.wait_job(either), 10)
check("get_result", wmill.get_result(by_path), 8)
check("get_job", wmill.get_job(by_path)["script_path"], "f/helpers/add")
check("get_job_status", wmill.get_job_status(by_path), "COMPLETED")
check("get_root_job_id", [wmill.get_root_job_id(), wmill.get_root_job_id(by_path)], [job, job])
check("worker_is_draining", [wmill.worker_is_draining(), wmill.worker_is_draining(by_path)], [False, False])
refused("run_script_by_path", lambda: wmill.run_script_by_path("f/helpers/fail"), "Boom: of the helper")
refused("run_script_by_path", lambda: wmill.run_script_by_path("f/helpers/absent"), "404")
hanging = wmill.run_script_by_path_async("f/helpers/hang")
wmill.set_progress(42, hanging)
check("set_progress get_progress", wmill.get_progress(hanging), 42)
wmill.cancel_job(hanging, "enough of it")
refused("cancel_job", lambda: client.wait_job(hanging), "enough of it")
others = [wmill.run_script_by_path_async("f/helpers/hang") for _ in range(2)]
os.environ["WM_JOB_PATH"] = "f/helpers/hang"
ended = wmill.cancel_running()
check("cancel_running", all(one in ended for one in others) and job not in ended, True)
refused("cancel_running", lambda: client.wait_job(others[0]), "anceled")
code = "export function main(n: number) { return n * 2; }"
check("run_inline_script_preview", wmill.run_inline_script_preview(code, "bun", {"n": 21}), 42)
refused("run_flow_async", lambda: wmill.run_flow_async("f/helpers/flow", {}), "Windkit")

# Variables, resources, state.
wmill.set_variable("f/helpers/variable_py", "one", is_secret=True)
wmill.set_variable("f/helpers/variable_py", "two", is_secret=True)
check("set_variable get_variable", wmill.get_variable("f/helpers/variable_py"), "two")
wmill.set_resource("f/helpers/resource_py", {"n": 1}, "c_test")
wmill.set_resource("f/helpers/resource_py", {"n": 2, "secret": "$var:f/helpers/variable_py"}, "c_test")
check("set_resource get_resource", wmill.get_resource("f/helpers/resource_py"), {"n": 2, "secret": "two"})
check(
    "list_resources",
    [one["path"] for one in wmill.list_resources(resource_type="c_test") if one["path"].endswith("_py")],
    ["f/helpers/resource_py"],
)
wmill.set_state({"seen": 1})
check("set_state get_state", wmill.get_state(), {"seen": 1})
client.state = {"seen": 2}
check("state state_path", [client.state, client.state_path], [{"seen": 2}, os.environ["WM_STATE_PATH"]])
# Only a flow has such a state, on a cluster too: the client prints what the server says.
wmill.set_flow_user_state("key", 1)
check("set_flow_user_state get_flow_user_state", wmill.get_flow_user_state("key"), None)

# Who and what.
check("get_version version", wmill.get_version().startswith("CE v1."), True)
check("whoami user", [wmill.whoami()["username"] != "", client.user["email"]], [True, wmill.whoami()["email"]])
check("username_to_email", wmill.username_to_email("admin"), wmill.whoami()["email"])
token = client.create_token()
answer = httpx.get(f"{client.base_url}/users/whoami", headers={"Authorization": f"Bearer {token}"})
check("create_token", answer.status_code, 200)
check("get", client.get("version").status_code, 200)
check("post", client.post(f"/w/{client.workspace}/jobs/run/p/f/helpers/add", json={"a": 1, "b": 1}).status_code, 201)
refused("get_id_token", lambda: wmill.get_id_token("somebody"), "nterprise")

# Files.
key = "official/py file.txt"
check("write_s3_file", wmill.write_s3_file(S3Object(s3=key), b"hello").get("s3"), key)
check("load_s3_file", wmill.load_s3_file(S3Object(s3=key)).decode(), "hello")
with wmill.load_s3_file_reader(f"s3:///{key}") as reader:
    check("load_s3_file_reader", reader.read().decode(), "hello")
wmill.write_s3_file(S3Object(s3="official/py.txt"), io.BufferedReader(io.BytesIO(b"public")))
signed = wmill.sign_s3_object(S3Object(s3="official/py.txt"))
check("sign_s3_object", isinstance(signed.get("presigned"), str), True)
check("sign_s3_objects", len(wmill.sign_s3_objects([S3Object(s3=key), S3Object(s3="official/py.txt")])), 2)
check("get_presigned_s3_public_url", httpx.get(wmill.get_presigned_s3_public_url(S3Object(s3="official/py.txt"))).text, "public")
urls = wmill.get_presigned_s3_public_urls([S3Object(s3="official/py.txt")])
check("get_presigned_s3_public_urls", httpx.get(urls[0]).text, "public")
wmill.delete_s3_object(S3Object(s3=key))
refused("delete_s3_object", lambda: wmill.load_s3_file(S3Object(s3=key)), "404")
for name in ["duckdb", "polars", "boto3"]:
    of_module = getattr(wmill, f"{name}_connection_settings")
    of_client = getattr(client, f"get_{name}_connection_settings")
    names = f"{name}_connection_settings get_{name}_connection_settings"
    # Files of this machine are no S3.
    refused(names, of_module, "windkit.json")
    check(names, "s3.example" in str(of_module("f/helpers/store")), True)
    check(names, "s3.example" in str(of_client("f/helpers/store")), True)

# SQL.
sql = wmill.datatable()
sql.query("CREATE TABLE t_py (id INT, name TEXT)").execute()
sql.query("INSERT INTO t_py VALUES ($1, $2), (2, 'Bob')", 1, "Ada").execute()
rows = sql.query("SELECT * FROM t_py ORDER BY id").fetch()
check("datatable query fetch execute", rows, [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}])
check("fetch_one", sql.query("SELECT $1::text AS value", "x").fetch_one(), {"value": "x"})
check("fetch_one_scalar", sql.query("SELECT $1::int + 22 AS n", 20).fetch_one_scalar(), 42)
lake = wmill.ducklake()
lake.upsert_partition("parts_py", "SELECT 1 AS id", partition="a").execute()
lake.upsert_partition("parts_py", "SELECT 2 AS id", partition="a").execute()
lake.append_partition("parts_py", "SELECT 3 AS id", partition="a").execute()
found = sorted(row["id"] for row in lake.read("parts_py", partition="a").fetch())
check("ducklake upsert_partition append_partition read", found, [2, 3])

# Approvals and triggers, of which the community edition has none by itself.
resumed, by_key = asked["asks"]
os.environ["WM_JOB_ID"] = resumed
check("get_resume_urls", httpx.post(wmill.get_resume_urls("somebody")["resume"], json={"by": "resume"}).status_code, 201)
os.environ["WM_JOB_ID"] = by_key
check("get_approval_urls", httpx.post(wmill.get_approval_urls("approval")["resume"], json={"by": "key"}).status_code, 201)
os.environ["WM_JOB_ID"] = job
refused("commit_kafka_offsets", lambda: wmill.commit_kafka_offsets("f/a/b", "topic", 0, 1), "nterprise")
refused("send_teams_message", lambda: wmill.send_teams_message("c", "t", True), "nterprise")
os.environ["WM_FLOW_JOB_ID"] = job
os.environ["WM_FLOW_STEP_ID"] = "a"
refused(
    "request_interactive_slack_approval",
    lambda: wmill.request_interactive_slack_approval("f/a/b", "c"),
    "nterprise",
)

NOT_CALLED = {
    "get_workspace": "no request",
    "get_state_path": "no request",
    "get_client": "no request",
    "get_mocked_api": "no request",
    "worker_has_internal_server": "no request; it chooses how SQL is run, which is checked",
    "init_global_client": "of the client itself",
    "deprecate": "of the client itself",
    "bytes_generator": "of the client itself",
    "get_shared_state": "files of a job's folder",
    "set_shared_state": "files of a job's folder",
    "get_shared_state_pickle": "files of a job's folder",
    "set_shared_state_pickle": "files of a job's folder",
    "append_to_result_stream": "a line of the job's output; Python scripts come in a later version",
    "stream_result": "as append_to_result_stream",
    "parse_resource_syntax": "no request",
    "parse_variable_syntax": "no request",
    "parse_s3_object": "no request",
    "parse_sql_client_name": "no request",
    "infer_sql_type": "no request",
    "task": "workflows in Python come in a later version",
    "task_script": "as task",
    "task_flow": "as task",
    "workflow": "as task",
    "step": "as task",
    "sleep": "as task",
    "wait_for_approval": "as task",
    "parallel": "as task",
}

names = {name for name, _ in inspect.getmembers(wmill.client, inspect.isfunction)}
names |= {name for name, _ in inspect.getmembers(wmill.Windmill)}
missing = sorted(one for one in names if not one.startswith("_") and one not in covered and one not in NOT_CALLED)
print("RESULT " + json.dumps({"covered": sorted(covered), "missing": missing}))
