package agent

import (
	"slices"

	"thalassa/lb"
	"thalassa/plan"
	"thalassa/template"
)

// effective is a configuration that HAProxy runs, and what it was made of. It is never
// changed.
type effective struct {
	config   lb.Config
	template *template.Template // that the running HAProxy's file was made with
	revision uint64             // of the intent
	snapshot lb.Snapshot
	control  *lb.Control // what was left out
	origin   origin
	// file numbers the haproxy.cfg that it makes: equal numbers stand for equal files.
	file uint64
	// noSpares: HAProxy may not have more spare slots than it has.
	noSpares bool
	// fixed says why HAProxy adds no server lines to a backend, where it has refused to.
	fixed map[lb.Name]string
}

// resolve finds the members of every backend and gives them slots, the present ones if
// they can keep them. A backend whose service has left the snapshot keeps its members:
// that does not prove that they are gone. While the intent stays, only backends whose
// service has another answer cost anything. What leads to control addresses is left out.
// e may be nil: nothing is known of what runs.
func (e *effective) resolve(in lb.Intent, snap lb.Snapshot, p lb.Process, control *lb.Control) lb.Config {
	wanted := func() lb.Config { return lb.Resolve(in, snap, p) }
	if e == nil {
		config, _ := control.Strip(wanted())
		return plan.Layout(nil, config)
	}
	if e.revision != in.Revision || !e.config.HasCertificates(in) || e.control != control || !e.config.Process.Equal(p) {
		config, _ := control.Strip(e.keepMembers(wanted(), snap))
		return e.layout(config)
	}
	next := e.config.Reissued(in)
	next.Backends = make([]lb.ResolvedBackend, len(e.config.Backends))
	for i, pool := range e.config.Backends {
		switch {
		case e.isOutdated(pool, snap):
			pool = e.layoutBackend(pool.Slots, e.config.Process.Populate(pool.Backend, snap))
		case !snap.Overrides.SameFor(pool.Key, e.snapshot.Overrides):
			pool = e.layoutBackend(pool.Slots, pool.Overridden(snap.Overrides))
		}
		next.Backends[i] = pool
	}
	return next
}

// pools are the backends of some names; nil: all of them. A nil e has none.
func (e *effective) pools(names []lb.Name) []lb.ResolvedBackend {
	switch {
	case e == nil:
		return nil
	case names == nil:
		return e.config.Backends
	}
	return e.config.Part(slices.Sorted(slices.Values(names))).Backends
}

// slots are the slots that HAProxy has; none for a nil e.
func (e *effective) slots() plan.Slots {
	if e == nil {
		return nil
	}
	return plan.SlotsOf(e.config)
}

func (e *effective) layout(wanted lb.Config) lb.Config {
	if e.noSpares {
		return plan.DropSpares(plan.SlotsOf(e.config), wanted)
	}
	return plan.Layout(plan.SlotsOf(e.config), wanted)
}

func (e *effective) layoutBackend(now []lb.Slot, p lb.ResolvedBackend) lb.ResolvedBackend {
	if e.noSpares {
		return plan.DropSparesOf(now, p)
	}
	return plan.LayoutBackend(now, p)
}

// isOutdated reports whether the snapshot has another answer for a backend.
func (e *effective) isOutdated(p lb.ResolvedBackend, snap lb.Snapshot) bool {
	if p.Type != "dynamic" {
		return false
	}
	service, known := snap.Services[p.Service]
	return known && !e.snapshot.Services[p.Service].SameAnswer(service)
}

// keepMembers gives the backends of services that the snapshot does not have the members that
// they have now.
func (e *effective) keepMembers(wanted lb.Config, snap lb.Snapshot) lb.Config {
	now := map[lb.Name]lb.ResolvedBackend{}
	for _, p := range e.config.Backends {
		now[p.Key] = p
	}
	for i, p := range wanted.Backends {
		old, there := now[p.Key]
		if _, known := snap.Services[p.Service]; !known && there && p.Type == "dynamic" && old.Type == p.Type &&
			old.Service == p.Service && old.Selection() == p.Selection() {
			p.Members = p.Transport.TLS.Respeak(old.Members)
			wanted.Backends[i] = p.Overridden(snap.Overrides)
		}
	}
	return wanted
}

// within is the configuration with the members that Consul knows now, as far as
// HAProxy takes them without a reload and with at most limit server lines (0: any number).
func (e *effective) within(snap lb.Snapshot, limit int) lb.Config {
	next, lines := e.config, serverLines(e.config)
	next.Backends = make([]lb.ResolvedBackend, len(e.config.Backends))
	for i, pool := range e.config.Backends {
		next.Backends[i] = pool
		isOutdated := e.isOutdated(pool, snap)
		if pool.Slots == nil || !isOutdated && snap.Overrides.SameFor(pool.Key, e.snapshot.Overrides) {
			continue
		}
		wanted := pool.Overridden(snap.Overrides)
		if isOutdated {
			wanted = e.config.Process.Populate(pool.Backend, snap)
		}
		for _, p := range []lb.ResolvedBackend{e.layoutBackend(pool.Slots, wanted), plan.Fit(pool.Slots, wanted)} {
			grown := lines - linesOf(pool) + linesOf(p)
			if (limit <= 0 || grown <= max(limit, lines)) && e.takesAtRuntime(pool, p) {
				next.Backends[i], lines = p, grown
				break
			}
		}
	}
	return next
}

// takesAtRuntime reports whether a backend becomes another one without a reload.
func (e *effective) takesAtRuntime(from, to lb.ResolvedBackend) bool {
	one, other := lb.Config{Backends: []lb.ResolvedBackend{from}}, lb.Config{Backends: []lb.ResolvedBackend{to}}
	change := plan.Compute(&one, other)
	return len(change.Reload) == 0 && e.fixesLines(e.config.With(other), change) == ""
}

// fixesLines says why the server lines that a change to next adds need a reload; "": they
// do not.
func (e *effective) fixesLines(next lb.Config, change plan.Change) string {
	switch {
	case change.Lines == 0 || len(change.Reload) > 0:
		return ""
	case e.noSpares:
		return "haproxy may not open the files for more servers"
	}
	grown := change.Backends()
	for _, name := range grown {
		if why := e.fixed[name]; why != "" {
			return why
		}
	}
	before, err := e.template.Fingerprint(e.config.Part(grown))
	after, laterErr := e.template.Fingerprint(next.Part(grown))
	if err != nil || laterErr != nil || before != after {
		return "the template makes more of the number of servers than their lines"
	}
	return ""
}
