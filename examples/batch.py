import json, os, time
from openai import OpenAI

client = OpenAI(base_url=os.environ.get("BASE_URL", "http://127.0.0.1:7071/openai/v1"), api_key="local-team-a")
request = lambda model: {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
lines = [json.dumps({"custom_id": m, "method": "POST", "url": "/v1/chat/completions", "body": request(m)}) for m in ("gpt-sim", "grok-sim", "deepseek-sim")]
file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
while batch.status not in ("completed", "failed", "expired", "cancelled"):
    time.sleep(1)
    batch = client.batches.retrieve(batch.id)
for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
    print(client.files.content(file_id).text)
