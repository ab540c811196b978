// `holdfast accept` and `holdfast reject`: the answer when a folder holds changes that look like an accident.

import type { Command } from 'commander'
import { openSession, typedCommand, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { folderArgument } from '../paths.ts'

export function addDecideCommands(program: Command, cli: Cli): void {
  const accept = program
    .command('accept')
    .description('held changes were meant: tell the other members of them')
    .argument('<folder>', 'a name, a path or the start of an id')
  withExamples(accept, ['accept Photos']).action(async (typed: string) => {
    const { client, print } = openSession(cli, accept)
    await client.call('acceptChanges', { folder: folderArgument(typed, cli) })
    print({ ok: true }, 'Accepted: the other members are told.')
  })
  const reject = program
    .command('reject')
    .description('held changes were an accident: bring the files back as the other members have them')
    .argument('<folder>', 'a name, a path or the start of an id')
  withExamples(reject, ['reject Photos']).action(async (typed: string) => {
    const { client, print, home } = openSession(cli, reject)
    await client.call('rejectChanges', { folder: folderArgument(typed, cli) })
    const wait = `${typedCommand(cli, home)} wait`
    print(
      { ok: true },
      `Rejected: the files come back from the other members, and what replaced them is kept in the history. To wait for it: ${wait}`,
    )
  })
}
