package plan

import (
	"strconv"
	"strings"

	"thalassa/lb"
)

// Compute says what has to be done so that HAProxy, which runs the configuration running,
// runs wanted. A nil running means that nothing is known about what HAProxy runs.
func Compute(running *lb.Config, wanted lb.Config) Change {
	if running == nil {
		return Change{Reload: []Reason{{Object: "process", What: "unknown"}}}
	}
	var change Change
	change.Reload = compareProcesses(running.Process, wanted.Process)
	if running.ChallengeMap != wanted.ChallengeMap {
		change.Reload = append(change.Reload, Reason{Object: "process", What: "challenges", Detail: changed(running.ChallengeMap, wanted.ChallengeMap)})
	}
	change.Reload = append(change.Reload, compareFrontends(running.Frontends, wanted.Frontends)...)
	change.compareTLS(*running, wanted)
	change.Reload = append(change.Reload, compareSections(running.Sections, wanted.Sections)...)
	change.compareBackends(*running, wanted)
	change.Runtime, change.Reload = sorted(change.Runtime), sorted(change.Reload)
	return change
}

// compareProcesses compares the settings of HAProxy itself.
func compareProcesses(a, b lb.Process) []Reason {
	r := reasons{object: "process"}
	var detail []string
	before, after := settings(a), settings(b)
	for i, s := range before {
		for _, d := range changed(s.value, after[i].value) {
			detail = append(detail, s.name+" "+d)
		}
	}
	r.add("settings", detail)
	return r.list
}

// A setting is one setting of HAProxy itself; an empty value says nothing.
type setting struct {
	name, value string
}

// settings lists them all, in the same order for every process.
func settings(p lb.Process) []setting {
	socket := p.StatsSocket
	if socket != "" && p.SocketUser != "" {
		socket += " of " + p.SocketUser
	}
	list := []setting{
		{"stats socket", socket},
		{"user", p.User},
		{"group", p.Group},
		{"log", p.Log},
		{"maxconn", ""},
		{"hard-stop-after", ""},
		{"stats bind", ""},
		{"state file", p.StateFile},
		{"folder of certificates", p.CertificateDir},
		{"peers socket", p.PeersSocket},
		{"socket of the statistics page", p.PageSocket},
	}
	if p.MaxConn > 0 {
		list[4].value = strconv.Itoa(p.MaxConn)
	}
	if p.HardStopAfter > 0 {
		list[5].value = p.HardStopAfter.String()
	}
	if p.StatsBind != nil {
		list[6].value = p.StatsBind.String()
	}
	return list
}

// compareFrontends finds the frontends created, removed and changed.
func compareFrontends(a, b []lb.Frontend) []Reason {
	var list []Reason
	before := map[lb.Name]lb.Frontend{}
	for _, f := range a {
		before[f.Key] = f
	}
	for _, f := range b {
		old, ok := before[f.Key]
		delete(before, f.Key)
		if !ok {
			list = append(list, Reason{Object: f.ID(), What: "created"})
			continue
		}
		list = append(list, compareFrontend(old, f)...)
	}
	for _, f := range before {
		list = append(list, Reason{Object: f.ID(), What: "removed"})
	}
	return list
}

func compareFrontend(a, b lb.Frontend) []Reason {
	r := reasons{object: b.ID()}
	r.add("acceptProxy", listChanged(a.AcceptedSources(), b.AcceptedSources()))
	r.add("backend", changed(string(a.Backend), string(b.Backend)))
	r.add("bind", listChanged(a.BindTexts(), b.BindTexts()))
	if closing(a) != closing(b) {
		r.add("keepalive", changed(a.Keepalive, b.Keepalive))
	}
	r.add("defaults", changed(string(a.Defaults), string(b.Defaults)))
	r.add("mode", changed(a.Mode, b.Mode))
	r.add("natives", listChanged(texts(a.Natives, nativeText), texts(b.Natives, nativeText)))
	r.add("rules", listChanged(texts(a.Rules, ruleText), texts(b.Rules, ruleText)))
	return r.list
}

// compareSections finds the raw sections created, removed and changed.
func compareSections(a, b []lb.Section) []Reason {
	var list []Reason
	before := map[string]lb.Section{}
	for _, s := range a {
		before[s.Key()] = s
	}
	for _, s := range b {
		old, ok := before[s.Key()]
		delete(before, s.Key())
		if !ok {
			list = append(list, Reason{Object: s.ID(), What: "created"})
			continue
		}
		r := reasons{object: s.ID()}
		r.add("defaults", changed(string(old.Defaults), string(s.Defaults)))
		r.add("natives", listChanged(texts(old.Natives, nativeText), texts(s.Natives, nativeText)))
		list = append(list, r.list...)
	}
	for _, s := range before {
		list = append(list, Reason{Object: s.ID(), What: "removed"})
	}
	return list
}

// closing is how a frontend ends connections after a request; "" is up to
// HAProxy. A pretended keepalive is an option of its backends (see pretending).
func closing(f lb.Frontend) string {
	switch {
	case f.Mode != "http":
		return ""
	case f.PretendsKeepalive():
		return "server-close"
	case f.Keepalive == "default":
		return ""
	}
	return f.Keepalive
}

func nativeText(n lb.RawLine) string { return string(n) }

// ruleText gives a rule the way haproxy.cfg would name it.
func ruleText(r lb.Rule) string {
	fetch := r.Operation
	if r.Type == "header" {
		fetch += "(" + r.Header + ")"
	}
	return fetch + " " + strings.Join(r.Values, " ") + " to backend/" + string(r.Backend)
}

// pretending lists the backends with option http-pretend-keepalive.
func pretending(frontends []lb.Frontend) map[lb.Name]bool {
	out := map[lb.Name]bool{}
	for _, f := range frontends {
		if f.PretendsKeepalive() {
			for _, target := range f.Targets() {
				out[target] = true
			}
		}
	}
	return out
}
