// The jobs, for workerpool.
import workerpool from 'workerpool';
import { copy, noop } from './node_pools_worker.mjs';
workerpool.worker({ copy, noop });
