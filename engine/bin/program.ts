// The command tree of `holdfast`, and how its errors reach a person.

import { Command, CommanderError } from 'commander'
import { EngineError, errorCodeOf, messageOf } from '../base/errors.ts'
import { homeOf, spoken, typedCommand, typedProgram } from './cli.ts'
import type { Cli } from './cli.ts'
import { addConflictCommands } from './commands/conflicts.ts'
import { addDecideCommands } from './commands/decide.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addFolderCommands } from './commands/folder.ts'
import { addElsewhereCommands } from './commands/elsewhere.ts'
import { addHistoryCommand } from './commands/history.ts'
import { addIdCommand } from './commands/id.ts'
import { addJoinCommand } from './commands/join.ts'
import { addCopiesCommand } from './commands/copies.ts'
import { addMemberCommand, addMembersCommand } from './commands/members.ts'
import { addNeedsCommand } from './commands/needs.ts'
import { addPeersCommand } from './commands/peers.ts'
import { addProblemsCommand } from './commands/problems.ts'
import { addRestoreCommand } from './commands/restore.ts'
import { addRetryCommand } from './commands/retry.ts'
import { addRollbackCommand } from './commands/rollback.ts'
import { addScrubCommands } from './commands/scrub.ts'
import { addServeCommand } from './commands/serve.ts'
import { addShareCommand } from './commands/share.ts'
import { addStatusCommand } from './commands/status.ts'
import { addStopCommand } from './commands/stop.ts'
import { addStoreCommands } from './commands/store.ts'
import { addWaitCommand } from './commands/wait.ts'
import { exitCodes, exitFailed, exitUsage } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { printable } from './text.ts'

export function buildProgram(cli: Cli): Command {
  const speak = (text: string): string => spoken(text, typedProgram(cli.env))
  const program = new Command('holdfast')
    .description('Folders in step on your own machines.')
    .option('--home <dir>', 'the node’s home directory (HOLDFAST_HOME otherwise, else the platform’s place)')
    .option('--json', 'print JSON')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: (text) => cli.terminal.out(speak(text).trimEnd()), writeErr: (text) => cli.terminal.err(speak(text)) })
    .showHelpAfterError('See --help.')
    .exitOverride()
  program.addHelpText(
    'after',
    '\nExamples:\n  $ holdfast serve\n  $ holdfast folder add ~/Photos\n  $ holdfast share Photos\n' +
      '\nExit codes: 0 ok, 1 failed, 2 usage, 3 daemon not running, 4 degraded, 5 refused, 6 timed out.',
  )
  // Subcommands take the output and the help settings of what they are added to.
  addServeCommand(program, cli)
  addIdCommand(program, cli)
  addStatusCommand(program, cli)
  addPeersCommand(program, cli)
  addStopCommand(program, cli)
  addProblemsCommand(program, cli)
  addConflictCommands(program, cli)
  addFolderCommands(program, cli)
  addNeedsCommand(program, cli)
  addCopiesCommand(program, cli)
  addElsewhereCommands(program, cli)
  addMembersCommand(program, cli)
  addMemberCommand(program, cli)
  addRetryCommand(program, cli)
  addDecideCommands(program, cli)
  addShareCommand(program, cli)
  addJoinCommand(program, cli)
  addHistoryCommand(program, cli)
  addRestoreCommand(program, cli)
  addRollbackCommand(program, cli)
  addScrubCommands(program, cli)
  addStoreCommands(program, cli)
  addWaitCommand(program, cli)
  addDoctorCommand(program, cli)
  return program
}

/** Runs one command line (what comes after the program's name) and gives the exit code of its error, or undefined. */
export async function runProgram(cli: Cli, words: readonly string[]): Promise<ExitCode | undefined> {
  const program = buildProgram(cli)
  try {
    await program.parseAsync(words, { from: 'user' })
    return undefined
  } catch (error) {
    // commander has printed its own; its code 0 is --help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? undefined : exitUsage
    const isJson = words.includes('--json')
    cli.terminal.err(
      isJson
        ? `${JSON.stringify({ schema: 1, error: { code: errorCodeOf(error), message: messageOf(error) } })}\n`
        : spoken(errorText(error), typedCommand(cli, homeOf(cli, program))),
    )
    if (cli.env['HOLDFAST_DEBUG'] === '1' && error instanceof Error) cli.terminal.err(`${stackText(error)}\n`)
    return error instanceof EngineError ? exitCodes[error.code] : exitFailed
  }
}

/** One or two lines for a person; never a stack. */
export function errorText(error: unknown): string {
  const message = printable(messageOf(error).replaceAll(/\s*\n\s*/g, ' '))
  const isExpected = error instanceof EngineError && error.code !== 'INTERNAL'
  return isExpected
    ? `holdfast: ${message}\n`
    : `holdfast: something broke: ${message}\nRun it again with HOLDFAST_DEBUG=1 to see where, and please report it.\n`
}

function stackText(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackText(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}
