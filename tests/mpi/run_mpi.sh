#!/bin/bash
# run_mpi.sh N PROGRAM [ARGUMENT]...: N ranks of PROGRAM on this machine, also on fewer cores.
# $MPIEXEC: the launcher (default: mpirun).
set -eu
ranks=$1
shift
mpiexec=${MPIEXEC:-mpirun}
options=()
if "$mpiexec" --version 2>&1 | grep -q "Open MPI\|OpenRTE"; then
  options=(--oversubscribe --bind-to none)
  # Ranks that wait must leave the core to those that work.
  export OMPI_MCA_mpi_yield_when_idle=1
  if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$mpiexec" "${options[@]}" -n "$ranks" "$@" < /dev/null
