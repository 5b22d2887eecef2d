// Runs a WASI program in node, in the current directory: node wasi.mjs program.wasm [argument]...
import { readFile } from 'node:fs/promises';

process.removeAllListeners('warning'); // node calls its WASI experimental at every start
process.on('warning', () => {});
const { WASI } = await import('node:wasi');

const [program, ...rest] = process.argv.slice(2);
const wasi = new WASI({
  version: 'preview1',
  args: [program, ...rest],
  env: process.env,
  preopens: { '.': '.' },
  returnOnExit: true,
});
const module = await WebAssembly.compile(await readFile(program));
const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: wasi.wasiImport });
process.exitCode = wasi.start(instance);
