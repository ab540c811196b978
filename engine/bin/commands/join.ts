// `holdfast join`: becomes a member of a folder that someone shared.

import type { Command } from 'commander'
import { openSession, typedCommand, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { absolutePath } from '../paths.ts'
import { followUntilSynced } from '../progress.ts'
import { printable } from '../text.ts'

export function addJoinCommand(program: Command, cli: Cli): void {
  const command = program
    .command('join')
    .description('join the folder of a link; its files come to PATH')
    .argument('<link>', 'what "holdfast share" printed')
    .argument('<path>', 'a directory; made when it does not exist')
  withExamples(command, ['join LINK ~/Photos', 'join LINK /srv/photos --json']).action(async (link: string, path: string) => {
    const session = openSession(cli, command)
    const joined = await session.client.call('join', { link: link.trim(), path: absolutePath(path, cli) })
    session.print(joined, `Joined ${printable(joined.folder.name)} at ${printable(joined.folder.path)}.`)
    if (!session.isWatched) return
    const followed = await followUntilSynced(cli, session, { folder: joined.folder.id, endWhenStuck: true })
    const typed = typedCommand(cli, session.home)
    if (followed.end === 'synced') cli.terminal.out('Everything is here.')
    else if (followed.end === 'left') cli.terminal.out(`The transfer goes on in the daemon. See how far it is with: ${typed} status`)
    else cli.terminal.out(`The folder is ${followed.state} now. See why with: ${typed} problems`)
  })
}
