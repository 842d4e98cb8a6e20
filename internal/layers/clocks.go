package layers

import (
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
)

// clocks are the files that may mention time.Now, and what for. The program passes the wall clock
// as a function to the packages that need dates, so that tests can set it. The others measure how
// long something takes, which follows the monotonic clock, whatever the wall clock says.
func clocks() map[string]string {
	const (
		byDefault = "is the default of a clock that is handed in"
		deadline  = "sets a deadline of a connection or a wait"
		measures  = "measures how long something takes"
		paces     = "compares how long ago something was with an interval"
		people    = "is a command of a person, who reads the clock of that machine"
	)
	return map[string]string{
		"cmd/thalassa/main.go":    "is the one place where the agent reads the wall clock",
		"cmd/thalassa/systemd.go": deadline,

		"acme/issuer.go": byDefault, "acme/rfc2136.go": "signs an update with the time of this machine, as its receiver has it",
		"ocsp/config.go":  byDefault,
		"agent/config.go": byDefault, "api/config.go": byDefault, "audit/log.go": byDefault, "canary/runner.go": byDefault,
		"discovery/config.go": byDefault, "listen/selfsigned.go": byDefault,
		"stats/sampler.go": byDefault, "store/db.go": byDefault, "store/keys.go": byDefault, "stream/hub.go": byDefault,

		"api/clusterimports.go": deadline, "bootstrap/invite.go": deadline, "bootstrap/join.go": deadline, "bootstrap/wire.go": deadline, "api/metrics.go": deadline, "api/monitor.go": deadline, "api/request.go": deadline, "api/revisions.go": deadline,
		"listen/port.go": deadline, "live/framewriter.go": deadline, "routes/patient.go": deadline, "store/file.go": deadline, "services/question.go": deadline, "membership/serve.go": deadline,

		"agent/persister.go": measures, "agent/reconciler.go": measures, "agent/round.go": measures, "agent/servers.go": measures,
		"agent/unresolved.go": measures, "api/middleware.go": measures, "client/activity.go": measures, "client/drain.go": measures, "client/steps.go": measures,
		"client/streams.go": measures, "consul/query.go": measures, "discovery/watcher.go": measures, "haproxy/apply.go": measures,
		"haproxy/reload.go": measures, "haproxy/signal.go": measures, "internal/heartbeat/heartbeat.go": measures,
		"internal/logqueue/queue.go": measures, "ocf/endpoint.go": measures, "ocf/monitor.go": measures, "pacemaker/history/recorder.go": measures, "pacemaker/reload.go": measures,
		"cli/clusteract.go": measures, "cli/clusterrun.go": measures, "jobs/share.go": measures, "pacemaker/question.go": measures, "pacemaker/settle.go": measures, "pacemaker/watcher.go": measures, "stats/reader.go": measures, "store/health.go": measures,

		"agent/certificates.go": paces, "agent/drift.go": paces, "agent/localuse.go": paces, "agent/monitor.go": paces, "agent/oldworkers.go": paces,
		"agent/reloads.go": paces, "auth/access.go": paces, "auth/accounts.go": paces, "auth/reloaded.go": paces,
		"auth/peers/peers.go": paces, "auth/peers/strangers.go": paces, "auth/tokens.go": paces, "auth/visitors.go": paces, "control/route.go": paces, "discovery/names.go": paces,
		"haproxy/check.go": paces, "haproxy/finder.go": paces, "haproxy/freed.go": paces, "haproxy/recovery.go": paces, "haproxy/router.go": paces,
		"haproxy/run.go": paces, "haproxy/workerwait.go": paces, "internal/safefile/health.go": paces, "listen/gate.go": paces,

		"cli/canaryfollow.go": people, "cli/clusterhistory.go": people, "cli/clusters.go": people, "cli/clusterstate.go": people, "cli/token.go": people,
	}
}

// checkClock refuses time.Now in files that have no reason for it.
func (c *checker) checkClock(pkg string, f *ast.File) {
	if slices.Contains(c.rules.Pure, pkg) {
		return // which has a rule of its own
	}
	file := path.Join(pkg, path.Base(c.fset.Position(f.Package).Filename))
	if _, isKnown := c.rules.Clocks[file]; isKnown {
		return
	}
	seeClock(f, func(at token.Pos) {
		c.add(pkg, at, "%s may not use time.Now: a clock is handed in. clocks in internal/layers lists the files that may, with reasons", file)
	})
}

func seeClock(f *ast.File, see func(at token.Pos)) {
	references(f, func(at token.Pos, from, name string) {
		if from == "time" && name == "Now" {
			see(at)
		}
	})
}

// UnusedClocks are the files that may use time.Now by the rules, and do not.
func UnusedClocks(rules Rules, fset *token.FileSet, pkgs []Package) []string {
	unused := maps.Clone(rules.Clocks)
	for _, p := range pkgs {
		for _, f := range p.Files {
			file := path.Join(p.Path, path.Base(fset.Position(f.Package).Filename))
			seeClock(f, func(token.Pos) { delete(unused, file) })
		}
	}
	return slices.Sorted(maps.Keys(unused))
}
