package cluster

import (
	"maps"
	"slices"
	"strings"
)

// Joined is what two changes do together, one after the other: what the first one stops and
// the second one starts is restarted, or moved.
func Joined(first, second []Consequence) []Consequence {
	out := slices.Clone(first)
	for _, c := range second {
		stopped := func(o Consequence) bool {
			return o.Action == "stop" && o.Resource == c.Resource && o.Resource != ""
		}
		i := slices.IndexFunc(out, func(o Consequence) bool { return stopped(o) && o.Node == c.Node })
		if i < 0 {
			i = slices.IndexFunc(out, stopped)
		}
		switch {
		case c.Action != "start" || i < 0:
			out = append(out, c)
		case out[i].Node == c.Node:
			out[i].Action = "restart"
		default:
			out[i] = Consequence{Action: "move", Resource: c.Resource, From: out[i].Node, Node: c.Node, Reason: out[i].Reason}
		}
	}
	return out
}

// Places says where resources run, and in which role: "n1 started, n2 promoted" by resource.
// What runs nowhere is empty.
func Places(v Status) map[string]string {
	out := map[string]string{}
	for _, r := range v.Resources {
		list := make([]string, 0, len(r.Places))
		for _, p := range r.Places {
			role := p.Role
			if role == "" {
				role = "started"
			}
			list = append(list, p.Node+" "+role)
		}
		slices.Sort(list)
		out[r.ID] = strings.Join(list, ", ")
	}
	return out
}

// Moved are the places of after that differ from those before.
func Moved(before, after map[string]string) map[string]string {
	out := map[string]string{}
	for id, places := range after {
		if before[id] != places {
			out[id] = places
		}
	}
	for id, places := range before {
		if _, still := after[id]; !still && places != "" {
			out[id] = ""
		}
	}
	return out
}

// Happened is what has been done between two states: what was started, stopped, moved,
// promoted and demoted by the places of resources, and what was restarted by the numbers of
// starts ("vip on n1"). An instance that left and one that came are a move.
func Happened(before, after, startsBefore, startsAfter map[string]string) []Consequence {
	out := []Consequence{}
	ids := slices.Sorted(maps.Keys(after))
	for id := range before {
		if _, still := after[id]; !still {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		was, is := rolesOf(before[id]), rolesOf(after[id])
		var left, came []string
		for _, node := range slices.Sorted(maps.Keys(was)) {
			if is[node] == "" {
				left = append(left, node)
			}
		}
		for _, node := range slices.Sorted(maps.Keys(is)) {
			switch {
			case was[node] == "":
				came = append(came, node)
			case was[node] != is[node] && is[node] == "promoted":
				out = append(out, Consequence{Action: "promote", Resource: id, Node: node})
			case was[node] == "promoted" && is[node] != "promoted":
				out = append(out, Consequence{Action: "demote", Resource: id, Node: node})
			case startsAfter[id+" on "+node] != "" && startsBefore[id+" on "+node] != startsAfter[id+" on "+node]:
				out = append(out, Consequence{Action: "restart", Resource: id, Node: node})
			}
		}
		for len(left) > 0 && len(came) > 0 {
			out = append(out, Consequence{Action: "move", Resource: id, From: left[0], Node: came[0]})
			left, came = left[1:], came[1:]
		}
		for _, node := range left {
			out = append(out, Consequence{Action: "stop", Resource: id, Node: node})
		}
		for _, node := range came {
			out = append(out, Consequence{Action: "start", Resource: id, Node: node})
			if is[node] == "promoted" {
				out = append(out, Consequence{Action: "promote", Resource: id, Node: node})
			}
		}
	}
	return out
}

// rolesOf reads what Places says of one resource: roles by node.
func rolesOf(places string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(places, ", ") {
		if node, role, ok := strings.Cut(part, " "); ok {
			out[node] = role
		}
	}
	return out
}

// Deviations says where the cluster is not as it was foretold. foretold and actual are the
// places of what was to change, and of what has changed; places has all of them.
func Deviations(foretold, actual, places map[string]string) []string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(foretold)) {
		if is := places[id]; is != foretold[id] {
			out = append(out, id+": foretold "+orNowhere(foretold[id])+", is "+orNowhere(is))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(actual)) {
		if _, known := foretold[id]; !known {
			out = append(out, id+": foretold to stay, is "+orNowhere(actual[id]))
		}
	}
	return out
}

func orNowhere(places string) string {
	if places == "" {
		return "nowhere"
	}
	return "on " + places
}
