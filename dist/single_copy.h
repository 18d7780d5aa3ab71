#pragma once

namespace tutti {

// Whether a process of this user may read the memory of another one on this machine (Linux,
// process_vm_readv): containers and kernels may forbid it.
bool can_read_other_process();

// Open MPI moves large messages within a node by one copy out of the sender's memory. Where that is
// forbidden it complains on every rank. Called before MPI starts, this tells it to take two copies
// through shared memory there, unless the environment already says how
// (OMPI_MCA_btl_vader_single_copy_mechanism). Other MPIs do not read the variable.
void choose_single_copy();

}  // namespace tutti
