// Package haproxy looks after one HAProxy process in master-worker mode: it
// checks configurations, installs them atomically, starts or adopts HAProxy,
// reloads it, waits until the new worker serves, and goes back when it does
// not.
//
// What it promises: after Apply the file on disk and the running worker agree,
// whether the new configuration was taken or refused, and whether or not the
// caller went away meanwhile. HAProxy outlives the program that uses this
// package: it runs in a session of its own, and the next Process value for the
// same paths adopts it simply by being used.
//
// What it must never do: end HAProxy, except in Stop; leave a file in place that
// a worker has refused; take somebody else's process for HAProxy because of a
// process id (each is verified in /proc); hold its lock without a deadline;
// hand its own environment, which may hold tokens, to HAProxy.
//
// HAProxy must run in the same process-id namespace. Sources of the facts are
// HAProxy's management guide (3, 4, 9.4) and what 2.6, 3.0 and 3.2 do in this
// package's tests.
package haproxy
