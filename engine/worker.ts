// What a worker thread runs: the engine's jobs on Node's file system.

import { nodeFiles } from './platform/node-files.ts'
import { serveJobs } from './platform/job-thread.ts'
import { jobTable } from './job-table.ts'

serveJobs(jobTable, { files: nodeFiles() })
