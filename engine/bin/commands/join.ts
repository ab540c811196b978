// `holdfast join`: becomes a member of a folder that someone shared.

import { Option } from 'commander'
import type { Command } from 'commander'
import type { Keep } from '../../api/elsewhere.ts'
import { openSession, typedCommand, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { absolutePath } from '../paths.ts'
import { followUntilSynced } from '../progress.ts'
import { printable } from '../text.ts'

interface JoinOptions {
  readonly keep?: Keep
  readonly select?: readonly string[]
}

export function addJoinCommand(program: Command, cli: Cli): void {
  const command = program
    .command('join')
    .description('join the folder of a link; its files come to PATH. A link for a host comes without PATH: the folder is stored sealed')
    .argument('<link>', 'what "holdfast share" printed')
    .argument('[path]', 'a directory; made when it does not exist')
    .addOption(
      new Option(
        '--keep <what>',
        'which files come here: all, none or selected (all otherwise); as a host: all of the folder, or the share that falls to it (share otherwise)',
      ).choices(['all', 'share', 'selected', 'none']),
    )
    .option('--select <pattern...>', 'with --keep selected: which, as in .holdfastignore')
  const examples = [
    'join LINK ~/Photos',
    'join LINK /srv/photos --json',
    'join LINK ~/Photos --keep selected --select "summer/"',
    'join LINK --keep all',
  ]
  withExamples(command, examples).action(async (link: string, path: string | undefined, { keep, select }: JoinOptions) => {
    const session = openSession(cli, command)
    const place = path === undefined ? {} : { path: absolutePath(path, cli) }
    const kept = { ...(keep === undefined ? {} : { keep }), ...(select === undefined ? {} : { patterns: select }) }
    const joined = await session.client.call('join', { link: link.trim(), ...place, ...kept })
    const name = printable(joined.folder.name)
    const isHost = path === undefined
    session.print(
      joined,
      isHost ? `Storing ${name} here, sealed: this node cannot read it.` : `Joined ${name} at ${printable(joined.folder.path)}.`,
    )
    if (!session.isWatched) return
    const followed = await followUntilSynced(cli, session, { folder: joined.folder.id, endWhenStuck: true })
    const typed = typedCommand(cli, session.home)
    if (followed.end === 'synced') cli.terminal.out('Everything is here.')
    else if (followed.end === 'left') cli.terminal.out(`The transfer goes on in the daemon. See how far it is with: ${typed} status`)
    else cli.terminal.out(`The folder is ${followed.state} now. See why with: ${typed} problems`)
  })
}
