package plan

import (
	"strconv"

	"thalassa/lb"
)

// compareBackends finds those created, removed and changed.
func compareBackends(a, b lb.Config) []Reason {
	var list []Reason
	before := map[lb.Name]lb.Pool{}
	for _, p := range a.Backends {
		before[p.Key] = p
	}
	pretended, pretends := pretending(a.Frontends), pretending(b.Frontends)
	for _, p := range b.Backends {
		old, ok := before[p.Key]
		delete(before, p.Key)
		if !ok {
			list = append(list, Reason{Object: p.ID(), What: "created"})
			continue
		}
		list = append(list, compareBackend(old, p)...)
		if pretended[p.Key] != pretends[p.Key] {
			list = append(list, Reason{Object: p.ID(), What: "keepalive", Detail: changed(pretendText(pretended[p.Key]), pretendText(pretends[p.Key]))})
		}
	}
	for _, p := range before {
		list = append(list, Reason{Object: p.ID(), What: "removed"})
	}
	return list
}

func pretendText(on bool) string {
	if on {
		return "pretended"
	}
	return "default"
}

func compareBackend(a, b lb.Pool) []Reason {
	r := reasons{object: b.ID()}
	r.add("balance", changed(a.Balance, b.Balance))
	r.add("health", changed(healthText(a, b), healthText(b, a)))
	if sentHost(a) != sentHost(b) {
		r.add("host", changed(a.Host, b.Host))
	}
	r.add("mode", changed(a.Mode, b.Mode))
	r.add("natives", listChanged(texts(a.Natives, nativeText), texts(b.Natives, nativeText)))
	members, weights := listChanged(texts(a.Members, address), texts(b.Members, address)), weightsChanged(a.Members, b.Members)
	r.add("members", members)
	r.add("weight", weights)
	if len(members) > 0 || len(weights) > 0 {
		r.add("version", changed(origin(a, b), origin(b, a)))
	}
	return r.list
}

// healthText describes p's check. The interval stands in the lines of members
// only, so that it means nothing unless p and the pool it is compared with both
// have some.
func healthText(p, other lb.Pool) string {
	text := ""
	if h := p.Health; h != nil {
		text = h.Method + " " + h.URI + " " + h.Version
	}
	if len(p.Members) == 0 || len(other.Members) == 0 || p.CheckInterval() == other.CheckInterval() {
		return text
	}
	if text == "" {
		text = "connect"
	}
	return text + " every " + p.CheckInterval().String()
}

// sentHost is the Host header that members get to see in requests or checks.
func sentHost(p lb.Pool) string {
	if p.Mode == "http" || p.Health != nil {
		return p.Host
	}
	return ""
}

func address(m lb.Member) string { return m.Address.String() }

// weightsChanged compares the weights of the members that both have.
func weightsChanged(a, b []lb.Member) []string {
	before := map[lb.HostPort]int{}
	for _, m := range a {
		before[m.Address] = m.Weight
	}
	var detail []string
	for _, m := range b {
		if old, ok := before[m.Address]; ok && old != m.Weight {
			detail = append(detail, address(m)+" weight "+strconv.Itoa(old)+" → "+strconv.Itoa(m.Weight))
		}
	}
	return detail
}

// origin is where p's members come from: the version, with the service when the
// other pool's is another one.
func origin(p, other lb.Pool) string {
	switch {
	case p.Type != "dynamic":
		return "static"
	case p.Service == other.Service:
		return string(p.Version)
	}
	return string(p.Service) + " " + string(p.Version)
}
