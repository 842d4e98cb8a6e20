// Package haproxy manages one HAProxy process in master-worker mode. It checks
// configurations, installs them atomically, starts or adopts HAProxy, reloads it and
// waits until the new worker serves. If the new worker does not, it restores the previous
// configuration.
//
// After Apply the file on disk and the running worker agree, whether HAProxy took the
// configuration or refused it, and whether or not the caller went away meanwhile. HAProxy
// outlives the program that uses this package: it runs in a session of its own, and the
// next Process for the same paths adopts it.
//
// The package must never:
//   - end HAProxy, except in Stop;
//   - leave a file in place that a worker has refused;
//   - take another process for HAProxy because of its id: each is verified in /proc;
//   - hold its lock without a deadline;
//   - hand its own environment, which may hold tokens, to HAProxy.
//
// A Process delegates to types with one task each:
//   - finder, processes: the master, its workers, and how they are verified;
//   - router, peersMonitor, recovery, pathKeeper, pidFile, formerPaths: how HAProxy is reached, and
//     what happens when its files disappear;
//   - configFiles, fileSwap, stateFile: the files on disk;
//   - checker, program: "haproxy -c" and other calls of the binary;
//   - launcher, lastChild, stopper, startupLog: the start and the end of HAProxy;
//   - reloader, workerWait, readback: a reload, and the check of what came of it;
//   - applier: Apply, and the way back;
//   - runtimeAPI, capabilities: servers of the running HAProxy, and what it offers;
//   - watch: the loop of Run.
//
// HAProxy must run in the same process-id namespace. Sources of the facts are HAProxy's
// management guide (3, 4, 9.4) and what 2.6, 3.0 and 3.2 do in this package's tests.
package haproxy
