// The `holdfast` command. holdfast.mjs starts it with the right Node.

import { loadOpenNode } from './open-node.ts'
import { processCli } from './process-cli.ts'
import { runProgram } from './program.ts'

const exitCode = await runProgram(processCli(loadOpenNode), process.argv.slice(2))
if (exitCode !== undefined) process.exitCode = exitCode
