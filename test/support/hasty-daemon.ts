// The `holdfast` command, whose daemon lets go of blocks as soon as it may: what takes weeks otherwise, for tests with real daemons.

import { processCli } from '../../engine/bin/process-cli.ts'
import { runProgram } from '../../engine/bin/program.ts'
import type { OpenNode } from '../../engine/bin/serve.ts'
import { openNode } from '../../engine/node.ts'
import type { RetirePace } from '../../engine/replicas/retire.ts'

const pace: RetirePace = { surplusMs: 0, garbageMs: 0, firstMs: 2000, lookMs: 2000, settleMs: 500, pressedMs: 1000 }

const load = async (): Promise<OpenNode> => await Promise.resolve((config, log, signal) => openNode(config, log, signal, pace))
const exitCode = await runProgram(processCli(load), process.argv.slice(2))
if (exitCode !== undefined) process.exitCode = exitCode
