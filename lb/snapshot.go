package lb

import (
	"cmp"
	"slices"
	"time"
)

// A Snapshot has Consul's answers for all watched services, and the overrides of single members. It
// is immutable.
type Snapshot struct {
	Services map[Name]Service
	// Unanswered says why a watched service is not in Services; empty: Consul has not answered yet.
	Unanswered map[Name]string
	// Overrides are the states and weights that operators have set for single members; nil: none.
	Overrides *Overrides
}

// A Service is Consul's last usable answer for one service.
type Service struct {
	Name Name
	// Index is Consul's index of that answer.
	Index uint64
	// Seen is when Consul last confirmed the answer.
	Seen time.Time
	// Stale says why the answer is not confirmed any more, e.g. "asking
	// consul: connection refused"; empty while it is.
	Stale string
	// Instances are sorted by address, then node and id.
	Instances []Instance
	// Hold says which instances are kept although Consul does not list them; nil: none.
	Hold *Hold
	// Released says why the last hold ended; empty: there was none in this run.
	Released string
	// Faults are what is wrong with registrations of the service, sorted by node and id:
	// those that are not valid, and those with checks that do not pass. At most MaxFaults.
	Faults []Fault
	// Page is the URL of the service in Consul's web UI, as the agent reaches Consul;
	// empty while that is not known.
	Page string
}

// An Instance is one registration of a service.
type Instance struct {
	ID      string
	Node    string
	Address HostPort
	Version Version // service meta "version"; empty: see Tags
	Tags    []string
	Meta    map[string]string
	// Weight for the status the instance is in, as Consul has it (0 to 65535). 0: none of
	// the traffic while other members have some.
	Weight int
	// Status is Consul's aggregated check status: passing, warning, critical or
	// maintenance.
	Status string
	// Healthy: traffic may go there. The status is passing, or warning if that is accepted.
	Healthy bool
	// Held: Consul does not list it as usable any more, and the loss is not confirmed yet.
	Held bool
	// Refused says why traffic never goes there: the address administers this node (see Control).
	// Empty: it may.
	Refused string
}

// Is reports whether the instance is of version v: by its service meta
// "version" when it has one, else by a tag equal to v.
func (i Instance) Is(v Version) bool {
	if i.Version != "" {
		return i.Version == v
	}
	return slices.Contains(i.Tags, string(v))
}

// Healthy counts the service's healthy instances of version v.
func (s Service) Healthy(v Version) int {
	n := 0
	for _, i := range s.Instances {
		if i.Healthy && i.Is(v) {
			n++
		}
	}
	return n
}

// Missing lists the versions that get traffic by a split and have no healthy instance. Held
// instances keep the traffic that they have. They count as healthy here only if Consul lists no
// instance of the service at all.
func (s Service) Missing(split Split) []Version {
	listed := slices.ContainsFunc(s.Instances, func(i Instance) bool { return i.Healthy && !i.Held })
	return slices.DeleteFunc(split.Active(), func(v Version) bool {
		return slices.ContainsFunc(s.Instances, func(i Instance) bool { return i.Healthy && i.Is(v) && (!i.Held || !listed) })
	})
}

// Keeps reports whether instances of a version are held.
func (s Service) Keeps(v Version) bool {
	return slices.ContainsFunc(s.Instances, func(i Instance) bool { return i.Held && i.Is(v) })
}

// arrivals counts the healthy instances of the greatest version among those that
// get no traffic by a split. An instance without the meta "version" counts under
// each of its tags, which are few.
func (s Service) arrivals(split Split) int {
	most, counts := 0, map[Version]int{}
	count := func(v Version) {
		counts[v]++
		most = max(most, counts[v])
	}
	for _, i := range s.Instances {
		if _, ours := split.of(i); ours || !i.Healthy {
			continue
		}
		if i.Version != "" {
			count(i.Version)
			continue
		}
		for _, t := range i.Tags {
			count(Version(t))
		}
	}
	return most
}

// A VersionCount is how many instances of a version Consul knows.
type VersionCount struct {
	Version Version
	Total   int
	Healthy int
}

// Versions counts the instances of each version, sorted by version. An instance
// without the meta "version" counts under each of its tags that can be one.
func (s Service) Versions() []VersionCount {
	counts := map[Version]*VersionCount{}
	count := func(v Version, healthy bool) {
		c := counts[v]
		if c == nil {
			c = &VersionCount{Version: v}
			counts[v] = c
		}
		c.Total++
		if healthy {
			c.Healthy++
		}
	}
	for _, i := range s.Instances {
		if i.Version != "" {
			count(i.Version, i.Healthy)
			continue
		}
		for _, t := range i.Tags {
			if v, err := ParseVersion(t); err == nil {
				count(v, i.Healthy)
			}
		}
	}
	out := make([]VersionCount, 0, len(counts))
	for _, c := range counts {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b VersionCount) int { return cmp.Compare(a.Version, b.Version) })
	return out
}
