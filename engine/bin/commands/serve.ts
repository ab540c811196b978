// `holdfast serve`: runs a node until it is told to stop. Loads everything heavy, which no other command does.

import { hostname } from 'node:os'
import { Option } from 'commander'
import type { Command } from 'commander'
import type { ApiAddress } from '../../api/listen.ts'
import { errorCodeOf, messageOf } from '../../base/errors.ts'
import { parseNodeConfig } from '../../config.ts'
import type { Log } from '../../base/log.ts'
import type { NodeConfig, NodeOptions } from '../../config.ts'
import { homePaths, prepareHome } from '../../platform/home.ts'
import { readServeMemory, rememberServe, withMemory, type ServeMemory } from '../../platform/serve-memory.ts'
import { homeOf, typedCommand, typedProgram, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { isLauncherScript } from '../paths.ts'
import { listenForSignals } from '../signals.ts'

interface ServeOptions extends Omit<NodeOptions, 'home'> {
  readonly api?: string
}

/** How long an orderly end may take. */
const endMsMax = 10_000
const killedExitCode = 130

export function addServeCommand(program: Command, cli: Cli): void {
  const command = program
    .command('serve')
    .description('run a node in the foreground until "holdfast stop" or Ctrl-C')
    .option('--listen <multiaddr>', 'where other nodes reach this one; may be given more than once', collect)
    .option('--api <host:port>', 'serve the API on loopback TCP too, with the token in the home’s file api-token')
    .option('--name <name>', 'what others see of this node (at first the host name)')
    .option('--zone <zone>', 'where it stands: machines of one zone can fail together (at first home)')
    .addOption(new Option('--class <class>', 'how often it is on (at first daily)').choices(['always-on', 'daily', 'occasional']))
    .option('--capacity <size>', 'what it offers to hold, for example 500GB (at first 0)')
    .option(
      '--store <place>',
      'keep blocks in object storage: s3://BUCKET/PREFIX, credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    )
    .option('--s3-endpoint <url>', 'the server of --store (Amazon’s in AWS_REGION otherwise)')
    .option('--take-over', 'take --store over from another node, whose home is gone for good')
    .option('--new-store', 'begin a new block store: the one that this home had is gone for good')
    .option('--metered', 'the network costs by the byte: fetch nothing for the sake of other nodes')
    .option('--no-discovery', 'do not look for nodes on the local network')
    .addOption(new Option('--watch <how>', 'how changes on disk are noticed (auto otherwise)').choices(['auto', 'polling']))
  withExamples(command, [
    'serve',
    'serve --name desk --zone home --class daily',
    'serve --home /srv/holdfast --listen /ip4/0.0.0.0/tcp/4001 --api 127.0.0.1:8384',
    'serve --class always-on --zone cloud --store s3://my-blocks/holdfast --s3-endpoint https://s3.example.org',
  ])
    .addHelpText('after', '\nName, zone, class and capacity stay as they were given last.')
    .addHelpText('after', '\nThe log is log/holdfast.log in the home; HOLDFAST_LOG=debug makes it say more.')
    .action(async (options: ServeOptions) => {
      const home = homeOf(cli, command)
      const all = withMemory(options, readServeMemory(homePaths(home).serve))
      const config = parseNodeConfig({ ...all, home }, hostname(), cli.env)
      const { parseApiAddress } = await import('../../api/listen.ts')
      await runDaemon(cli, config, { api: options.api === undefined ? undefined : parseApiAddress(options.api), memory: all })
    })
}

interface DaemonStart {
  readonly api: ApiAddress | undefined
  /** What the next start goes by, where it says nothing else. */
  readonly memory: ServeMemory
}

async function runDaemon(cli: Cli, config: NodeConfig, { api, memory }: DaemonStart): Promise<never> {
  // What SQLite and others make in the home has no mode of its own. Files of a person's folders are given their bits one by one.
  process.umask(0o077)
  prepareHome(config.home)
  const { openNodeLog } = await import('../../platform/node-log.ts')
  const { log } = openNodeLog(homePaths(config.home).logFile, cli.env['HOLDFAST_LOG'] === 'debug' ? 'debug' : 'info')
  const [{ serve }, openNode] = await Promise.all([import('../serve.ts'), cli.loadOpenNode()])
  const ending = new AbortController()
  const end = (): void => {
    ending.abort()
    void cli.clock.sleep(endMsMax, new AbortController().signal).then(() => {
      log.error('did not end in time')
      cli.terminal.err(`holdfast: still busy after ${endMsMax / 1000} s, ending at once\n`)
      cli.exitNow(killedExitCode)
    })
  }
  listenForSignals(cli.clock, { stop: end, die: () => cli.exitNow(killedExitCode) })
  const crash = (error: unknown): void => {
    log.error('crashed', { error: messageOf(error), stack: error instanceof Error ? error.stack : undefined })
    cli.terminal.err(
      `holdfast: the daemon crashed: ${messageOf(error)}\nThe log has more: ${homePaths(config.home).logFile}. Please report it, then start again.\n`,
    )
    cli.exitNow(1)
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
  const ready = (line: string): void => {
    // Not before: a second daemon on this home has been refused by now.
    noteStart(homePaths(config.home).serve, memory, log)
    cli.terminal.out(line)
    if (cli.terminal.isInteractive || isLauncherScript(cli.env))
      cli.terminal.out(friendlyText(typedCommand(cli, config.home), typedProgram(cli.env)))
  }
  try {
    await serve(config, api, { openNode, clock: cli.clock, log, platform: cli.platform, ready }, ending.signal)
  } catch (error) {
    if (!ending.signal.aborted || errorCodeOf(error) !== 'ABORTED') {
      log.error('ended', { error: messageOf(error), stack: error instanceof Error ? error.stack : undefined })
      throw error
    }
  }
  log.info('ended')
  // Whatever still holds the process open has nothing left to do.
  cli.exitNow(0)
}

function noteStart(path: string, memory: ServeMemory, log: Log): void {
  try {
    rememberServe(path, memory)
  } catch (error) {
    log.warn('could not note how this node was started: say it again at the next start', { error: messageOf(error) })
  }
}

/** `here` is what to type for this node, `there` for one in its default home. */
function friendlyText(here: string, there: string): string {
  return [
    '',
    'This node is running. In a second terminal:',
    `  ${here} folder add ~/Photos`,
    `  ${here} share Photos`,
    'and on the other machine, with its own node running:',
    `  ${there} join LINK ~/Photos`,
    'Ctrl-C ends this node.',
    '',
  ].join('\n')
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}
