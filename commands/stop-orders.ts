import cluster from 'node:cluster';
import type { ReadyNotice, StopOrder } from './serve-workers.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Calls `handle` at each order to stop this process. @returns a function that stops listening */
export function onStopOrder(handle: (signal: NodeJS.Signals) => void): () => void {
  return cluster.isWorker ? onOrderOfPrimary(handle) : onSignal(handle);
}

function onSignal(handle: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of STOP_SIGNALS) process.on(signal, handle);
  return () => {
    for (const signal of STOP_SIGNALS) process.off(signal, handle);
  };
}

/**
 * A worker stops when the process that started it says so, or is gone. Signals are for that one: Ctrl-C and systemd send
 * them to every process of a group, and a worker would take the passed-on order for a second one.
 */
function onOrderOfPrimary(handle: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of STOP_SIGNALS) process.on(signal, () => {});
  const onMessage = (message: unknown) => {
    if (isOrder(message)) handle(message.stop);
  };
  const onGone = () => handle('SIGTERM');
  process.on('message', onMessage);
  process.on('disconnect', onGone);
  return () => {
    process.off('message', onMessage);
    process.off('disconnect', onGone);
  };
}

/** Tells the process that started this one, if any, that it is ready. */
export function sayReady(): void {
  if (cluster.isWorker) process.send?.({ ready: true } satisfies ReadyNotice);
}

/** The connection to the process that started this one would keep it alive for ever. */
export function leavePrimary(): void {
  cluster.worker?.disconnect();
}

function isOrder(message: unknown): message is StopOrder {
  return typeof message === 'object' && message !== null && 'stop' in message;
}
