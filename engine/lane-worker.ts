// What the thread that lanes live in runs.

import { chunkBytesMax } from './chunk/limits.ts'
import { laneTable } from './lane-table.ts'
import { serveJobs } from './platform/job-thread.ts'
import { TcpLaneSockets } from './platform/lane-sockets.ts'
import { nodeFiles } from './platform/node-files.ts'
import { laneIdleMsMax } from './transfer/lanes.ts'

const files = nodeFiles()
const sockets = new TcpLaneSockets({ plaintextBytesMax: chunkBytesMax, idleMsMax: laneIdleMsMax })

serveJobs(laneTable({ files, sockets }), { files })
