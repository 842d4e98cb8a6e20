package discovery

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"thalassa/consul"
	"thalassa/lb"
)

// Limits of an instance's texts, which anybody who may register a service can choose.
const (
	maxText = 512 // bytes of an id, a node's name, a tag, a meta key or value
	maxTags = 256
	maxMeta = 64 // Consul's own limit
)

// A leftOut is an instance that cannot receive traffic because its registration is
// invalid.
type leftOut struct {
	node, id string
	reason   string
}

// parseInstances turns Consul's entries into instances, sorted by address, then
// node and id. It also returns the invalid ones, which lb's parsers refuse.
func parseInstances(entries []*consul.Entry, acceptWarning bool) ([]lb.Instance, []leftOut) {
	instances := make([]lb.Instance, 0, len(entries))
	var refused []leftOut
	for _, e := range entries {
		if e == nil || e.Service == nil {
			refused = append(refused, leftOut{reason: "the entry holds no service"})
			continue
		}
		i, err := parseInstance(e, acceptWarning)
		if err != nil {
			refused = append(refused, leftOut{node: i.Node, id: i.ID, reason: err.Error()})
			continue
		}
		if n := len(instances); n > 0 && maps.Equal(i.Meta, instances[n-1].Meta) {
			i.Meta = instances[n-1].Meta // instances of a version mostly have the same: share it
		}
		instances = append(instances, i)
	}
	sortInstances(instances)
	return instances, refused
}

func sortInstances(instances []lb.Instance) {
	slices.SortFunc(instances, func(a, b lb.Instance) int {
		return cmp.Or(
			cmp.Compare(a.Address.Host, b.Address.Host), cmp.Compare(a.Address.Port, b.Address.Port),
			cmp.Compare(a.Node, b.Node), cmp.Compare(a.ID, b.ID),
		)
	})
}

// identity identifies an instance.
type identity struct{ node, id string }

func identityOf(i lb.Instance) identity { return identity{i.Node, i.ID} }

// serfHealth is the check with which Consul's servers report whether a node answers
// gossip. If it fails, the services of the node may still work.
const serfHealth = "serfHealth"

// silent returns the instances that would be healthy if their nodes answered gossip.
func silent(entries []*consul.Entry, acceptWarning bool) map[identity]bool {
	var out map[identity]bool
	for _, e := range entries {
		if e == nil || e.Service == nil || e.Node == nil {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(e.Checks), func(c consul.EntryCheck) bool {
			return c.CheckID == serfHealth && c.ServiceID == "" && c.Status == consul.Critical
		})
		if len(own) < len(e.Checks) && isHealthy(aggregate(own), acceptWarning) {
			if out == nil {
				out = map[identity]bool{}
			}
			out[identity{bounded(e.Node.Node), bounded(e.Service.ID)}] = true
		}
	}
	return out
}

// parseInstance parses an entry. With an error, Node and ID are still set.
func parseInstance(e *consul.Entry, acceptWarning bool) (lb.Instance, error) {
	i := lb.Instance{ID: bounded(e.Service.ID)}
	address := e.Service.Address
	if e.Node != nil {
		i.Node = bounded(e.Node.Node)
		address = cmp.Or(address, e.Node.Address)
	}
	var err error
	if i.Address, err = parseHostPort(address, e.Service.DefaultPort()); err != nil {
		return i, err
	}
	if v, err := lb.ParseVersion(e.Service.Meta["version"]); err == nil {
		i.Version = v // any other version follows from the tags
	}
	i.Tags = boundedTags(e.Service.Tags)
	i.Meta = boundedMeta(e.Service.Meta)
	i.Status = aggregate(e.Checks)
	i.Healthy = isHealthy(i.Status, acceptWarning)
	i.Weight = weightOf(e.Service.Weights, i.Status)
	return i, nil
}

// weightOf is the weight of an instance in a status. Consul knows no passing weight of 0:
// an answer that has one has no weights, and each is 1 then. A warning weight of 0 means
// none of the traffic.
func weightOf(w consul.Weights, status string) int {
	const greatest = 65535
	if w.Passing < 1 {
		w = consul.Weights{Passing: 1, Warning: max(w.Warning, 1)}
	}
	if status == consul.Warning {
		return min(max(w.Warning, 0), greatest)
	}
	return min(w.Passing, greatest)
}

func parseHostPort(address string, port int) (lb.HostPort, error) {
	host, err := lb.ParseHost(address)
	if err != nil {
		return lb.HostPort{}, lb.FieldError{Path: "address", Problem: strconv.Quote(bounded(address)) + " is not a host"}
	}
	if why := host.NoMember(); why != "" {
		return lb.HostPort{}, lb.FieldError{Path: "address", Problem: strconv.Quote(string(host)) + " " + why}
	}
	if port < 1 || port > 65535 {
		return lb.HostPort{}, lb.FieldError{Path: "port", Problem: strconv.Itoa(port) + " is not a port", Expected: "1 to 65535"}
	}
	return lb.HostPort{Host: host, Port: uint16(port)}, nil
}

// aggregate returns the status of an instance: maintenance if it or its node is in
// maintenance mode, else the worst status of its checks, or passing without checks.
// An unknown status is critical.
func aggregate(checks []consul.EntryCheck) string {
	const maintenance = 3
	worst := 0
	for _, c := range checks {
		switch {
		case isMaintenance(c.Check):
			worst = maintenance
		case c.Status == consul.Passing:
		case c.Status == consul.Warning:
			worst = max(worst, 1)
		default:
			worst = max(worst, 2)
		}
	}
	return [...]string{consul.Passing, consul.Warning, consul.Critical, consul.Maintenance}[worst]
}

func isMaintenance(c consul.Check) bool {
	return c.CheckID == consul.NodeMaintenance || strings.HasPrefix(c.CheckID, consul.ServiceMaintenancePrefix)
}

func isHealthy(status string, acceptWarning bool) bool {
	return status == consul.Passing || acceptWarning && status == consul.Warning
}

// bounded cuts s to at most maxText bytes, between two characters.
func bounded(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "")
}

// boundedTags drops tags that are too long for a version, and those beyond maxTags.
func boundedTags(tags []string) []string {
	var out []string
	for _, t := range tags {
		if len(t) <= maxText && len(out) < maxTags {
			out = append(out, t)
		}
	}
	return out
}

func boundedMeta(meta map[string]string) map[string]string {
	if len(meta) == 0 {
		return nil
	}
	out := make(map[string]string, min(len(meta), maxMeta))
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		if len(k) <= maxText && len(out) < maxMeta {
			out[k] = bounded(meta[k])
		}
	}
	return out
}

func sameInstances(a, b []lb.Instance) bool {
	return slices.EqualFunc(a, b, func(a, b lb.Instance) bool {
		return a.ID == b.ID && a.Node == b.Node && a.Address == b.Address && a.Version == b.Version &&
			a.Weight == b.Weight && a.Status == b.Status && a.Healthy == b.Healthy && a.Held == b.Held &&
			slices.Equal(a.Tags, b.Tags) && maps.Equal(a.Meta, b.Meta)
	})
}
