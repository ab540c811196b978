// Adds to package-lock.json the optional packages of other platforms that npm left out because the registry it was made with does
// not serve them: without them `npm ci` calls the lock out of step. Run it after every change of dependencies: npm run lock.
// Version from the parent that asks for it, platform from the name; where a package cannot be fetched its integrity is not known.

import { readFileSync, writeFileSync } from 'node:fs'

const lockPath = new URL('../package-lock.json', import.meta.url)
const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const processors = {
  aarch64: 'arm64',
  arm: 'arm',
  arm64: 'arm64',
  armv6: 'arm',
  armv7: 'arm',
  ia32: 'ia32',
  loong64: 'loong64',
  mips64el: 'mips64el',
}
for (const name of ['ppc64', 'riscv64', 's390x', 'x64', 'wasm32']) processors[name] = name

/** `os`, `cpu` and `libc` fields as such a package has them, by the words of its name; undefined when it names no system. */
function platformOf(name) {
  const words = name.split(/[-/]/)
  const os = words.find((word) => systems.includes(word)) ?? (words.includes('win') ? 'win32' : undefined)
  const cpu = processors[words.find((word) => Object.hasOwn(processors, word)) ?? '']
  if (os === undefined && cpu !== 'wasm32') return undefined
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : os === 'linux' && words.some((word) => word.startsWith('gnu') || word === 'glibc')
      ? 'glibc'
      : undefined
  return { ...(cpu && { cpu: [cpu] }), ...(libc && { libc: [libc] }), ...(os && { os: [os] }) }
}

const lock = JSON.parse(readFileSync(lockPath, 'utf8'))
const added = []
for (const [path, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const isThere = lock.packages[`${path}/node_modules/${name}`] ?? lock.packages[`node_modules/${name}`]
    const platform = platformOf(name)
    if (isThere !== undefined || platform === undefined || !/^\d+\.\d+\.\d+\S*$/.test(version)) continue
    lock.packages[`node_modules/${name}`] = { version, ...platform, ...(parent.dev && { dev: true }), optional: true }
    added.push(name)
  }
}
const sorted = Object.entries(lock.packages).sort(([left], [right]) => left.localeCompare(right, 'en'))
writeFileSync(lockPath, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, undefined, 2)}\n`)
console.log(`${added.length} packages of other platforms added to package-lock.json`)
