// Runs a function as CloudFront Functions' runtime 2.0 does: in a context that has nothing but what that runtime has.
//
// Comes in, on standard input: a line {"code", "store"}, then a line {"event", "now", "runs"} for each request. Goes out: a line for each
// answer, {"result", "reads"} or {"error"}, and at last {"times"} in milliseconds. ES 5.1 is left of the language's library with the additions that the
// documentation names and our functions use; there is no dynamic code, no timer, no network and no module but these two.
import { createHash, createHmac } from 'node:crypto';
import { createInterface } from 'node:readline';
import vm from 'node:vm';

// https://262.ecma-international.org/5.1/, chapter 15, without `eval` and the constructor of functions.
const OBJECT =
  'getPrototypeOf getOwnPropertyDescriptor getOwnPropertyNames create defineProperty defineProperties seal freeze preventExtensions isSealed isFrozen isExtensible keys assign';
const LIBRARY = {
  Object: [OBJECT, 'toString toLocaleString valueOf hasOwnProperty isPrototypeOf propertyIsEnumerable'],
  Function: ['', 'toString apply call bind'],
  Array: [
    'isArray',
    'toString toLocaleString concat join pop push reverse shift slice sort splice unshift indexOf lastIndexOf every some forEach map filter reduce reduceRight',
  ],
  String: [
    'fromCharCode',
    'toString valueOf charAt charCodeAt concat indexOf lastIndexOf localeCompare match replace search slice split substring substr toLowerCase toLocaleLowerCase toUpperCase toLocaleUpperCase trim',
  ],
  Boolean: ['', 'toString valueOf'],
  Number: ['', 'toString toLocaleString valueOf toFixed toExponential toPrecision'],
  Math: ['abs acos asin atan atan2 ceil cos exp floor log max min pow random round sin sqrt tan'],
  Date: ['parse UTC now', undefined],
  RegExp: ['', 'exec test toString'],
  JSON: ['parse stringify'],
  Promise: ['', 'then'],
  Error: ['', 'toString'],
  TypeError: ['', 'toString'],
  URIError: ['', ''],
};
const GLOBALS = 'undefined NaN Infinity parseInt parseFloat isNaN isFinite decodeURI decodeURIComponent encodeURI encodeURIComponent';

// What the engine itself looks for: taking it away would break what is left.
const NEEDED = ['constructor', 'length', 'name', 'prototype', 'flags', 'global', 'ignoreCase', 'source', 'lastIndex'];

function restrict(context) {
  const keep = new Set([...Object.keys(LIBRARY), ...GLOBALS.split(' ')]);
  const global = vm.runInContext('this', context);
  for (const name of Object.getOwnPropertyNames(global)) if (!keep.has(name)) Reflect.deleteProperty(global, name);
  for (const [name, [own, shared]] of Object.entries(LIBRARY)) {
    for (const [object, names] of [[global[name], own], [global[name].prototype, shared]]) {
      if (!object || names === undefined) continue;
      const kept = new Set([...names.split(' '), ...NEEDED]);
      for (const member of Object.getOwnPropertyNames(object)) if (!kept.has(member)) Reflect.deleteProperty(object, member);
    }
  }
  return global;
}

const CRYPTO = { createHash, createHmac };
function required(name) {
  if (name !== 'crypto') throw new Error(`there is no module ${name}`);
  return CRYPTO;
}

// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-custom-methods.html
const kvs = (values, reads) => ({
  get: async (key) => {
    reads.push(key);
    if (!Object.hasOwn(values, key)) throw new Error(`KeyNotFound: ${key}`);
    return values[key];
  },
});

/** A function that takes the events of `code`, which may read `values`. */
export function load(code, values) {
  const context = vm.createContext({}, { codeGeneration: { strings: false, wasm: false } });
  const global = restrict(context);
  const clock = { now: 0 };
  global.Date.now = () => clock.now * 1000;
  const reads = [];
  Object.assign(global, { Buffer, require: required, cf: { kvs: () => kvs(values, reads) } });
  // As a module, it has variables of its own; those of the context itself would be looked up slowly. The host has what it imports.
  const module = code.replace(/import cf from\s*'cloudfront';/, '');
  const handler = new vm.Script(`(() => {'use strict';${module};return handler;})()`).runInContext(context);
  // A copy in the context's own objects, as an event that the runtime has made.
  const parse = global.JSON.parse;
  const once = async (event, now) => {
    clock.now = now;
    const copy = parse(JSON.stringify(event));
    const raw = copy.request.rawQueryString;
    copy.request.rawQueryString = () => raw;
    reads.length = 0;
    // CPU time, since the machine does other work as well.
    const started = process.cpuUsage();
    const result = await handler(copy);
    const { user, system } = process.cpuUsage(started);
    const took = (user + system) / 1000;
    delete result.rawQueryString;
    return { result, reads: [...reads], took };
  };
  // The fastest of some runs is what the work takes: the compilation of hot code counts in the first ones.
  return async (event, now, runs = 1) => {
    const first = await once(event, now);
    for (let run = 1; run < runs; run++) first.took = Math.min(first.took, (await once(event, now)).took);
    return first;
  };
}

if (import.meta.filename === process.argv[1] || process.argv[1]?.endsWith('functions-host.mjs')) {
  let call;
  const times = [];
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    // The last line is for hosts that write to a file.
    if (!line.startsWith('{')) break;
    const message = JSON.parse(line);
    if (!call) {
      call = load(message.code, message.store);
      continue;
    }
    try {
      const { result, reads, took } = await call(message.event, message.now, message.runs);
      times.push(took);
      console.log(JSON.stringify({ result, reads }));
    } catch (error) {
      console.log(JSON.stringify({ error: String(error?.stack ?? error) }));
    }
  }
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  console.log(JSON.stringify({ times: { median: at(0.5), p99: at(0.99), worst: at(1) } }));
}
