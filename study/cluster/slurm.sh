#!/bin/bash
# A study under SLURM: Ray on each node of the allocation, then `python -m study.run` on the first, then the end.
# Copy it, set the lines below as your cluster wants them (partition, account, time), and from the root of this project:
#   sbatch my_job.sh my_study.yaml --results /shared/results --set cluster.workers=4 --set cluster.gpus_per_worker=1
#   sbatch my_job.sh --resume my_study --results /shared/results     (after the time limit, or any crash)
# The project with its .venv and the results must be on storage that all nodes see. MLflow is a file in the results
# folder, read on any machine with the line that a study prints at its end; or export MLFLOW_TRACKING_URI before sbatch.
#SBATCH --job-name=curriculum-study
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@60
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:-.}"
export PATH=$PWD/.venv/bin:$PATH
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
on() { exec srun --nodes=1 --ntasks=1 --overlap --nodelist="$1" "${@:2}"; } # in a subshell only, which it becomes

# Ray's own port numbers may be another job's on a shared node. Those of workers are free ones where 0 is asked for.
ports=$(on "$head" python -c '
import socket
sockets = [socket.socket() for _ in range(4)]
for one in sockets:
    one.bind(("", 0))
print(*(one.getsockname()[1] for one in sockets))')
read -r gcs dashboard client agent <<< "$ports"
address=$(on "$head" python -c 'import ray; print(ray.util.get_node_ip_address())')

RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token # other users of these nodes are refused
export RAY_API_SERVER_ADDRESS=http://127.0.0.1:$dashboard # or Ray would ask any cluster that it finds on the head
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1} # srun no longer reads it from the job
# The card to other nodes: gloo would resolve the host name, often to 127.0.0.1. NCCL finds the fastest one itself.
GLOO_SOCKET_IFNAME=$(on "$head" ip -o -4 address show | awk -v ip="$address" 'index($4, ip "/") == 1 {print $2; exit}')
export GLOO_SOCKET_IFNAME
resources=(--num-cpus="${SLURM_CPUS_PER_TASK:-1}" --num-gpus="${SLURM_GPUS_ON_NODE:-0}")
own=(--temp-dir="/tmp/ray-$SLURM_JOB_ID" --min-worker-port=0 --max-worker-port=0)

steps=()
finish() { # `ray start --block` ends what it started when it is told to; `ray stop` would end other jobs' Ray as well
  kill -TERM "${steps[@]}" 2> /dev/null || true
  wait "${steps[@]}" 2> /dev/null || true
}
trap finish EXIT
trap 'exit 143' TERM INT

on "$head" ray start --head --block --node-ip-address="$address" --port="$gcs" "${resources[@]}" "${own[@]}" \
  --dashboard-host=127.0.0.1 --dashboard-port="$dashboard" --ray-client-server-port="$client" \
  --dashboard-agent-listen-port="$agent" --disable-usage-stats &
steps+=($!)
for node in "${nodes[@]:1}"; do
  # a worker tries for a while, so it need not wait for the head here
  on "$node" ray start --block --address="$address:$gcs" "${resources[@]}" "${own[@]}" \
    --dashboard-agent-listen-port="$agent" &
  steps+=($!)
done

export RAY_ADDRESS=$address:$gcs
python - "${#nodes[@]}" << 'END'
import sys
import time

import ray

wanted, until = int(sys.argv[1]), time.monotonic() + 300
joined = 0
while joined < wanted:
    if time.monotonic() > until:
        sys.exit(f"error: {joined} of {wanted} nodes have joined in 300 s")
    time.sleep(1)
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", ignore_reinit_error=True)
        joined = sum(node["Alive"] for node in ray.nodes())
    except ConnectionError:
        pass
END
env --default-signal=INT python -m study.run "$@" & # a background process would ignore Ctrl-C
study=$!
trap 'kill -INT "$study"; wait "$study" || true; exit 143' TERM INT # before the time limit: it says how to resume
wait "$study"
