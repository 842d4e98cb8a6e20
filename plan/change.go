package plan

import (
	"cmp"
	"slices"
	"strings"

	"thalassa/lb"
)

// A Change is what has to be done to get from one configuration to another.
// Reasons are sorted by object, then by what differs.
type Change struct {
	// Servers counts the servers that change without a reload, those of Lines among them.
	Servers int
	// Lines counts the server lines that are added without a reload.
	Lines int
	// Certificates counts the certificates, and their uses by frontends, that change without
	// a reload.
	Certificates int
	// Runtime holds the differences that need no reload.
	Runtime []Reason
	// Reload holds the reasons to reload HAProxy; empty: no reload.
	Reload []Reason
}

// A Reason is one difference between two configurations.
type Reason struct {
	// Object is "frontend/KEY", "backend/KEY", "certificate/KEY" or "process".
	Object string
	// What differs. Of any object: "created", "removed". Of the process:
	// "runtime" (why nothing can change while it runs), "certificates", "settings",
	// "unknown". Of a frontend: "acceptProxy", "bind", "backend", "certificates", "keepalive", "mode",
	// "natives", "rules", "tls". Of a certificate: "content". Of a backend: "balance",
	// "connections", "hash", "health", "host", "keepalive", "members", "mode", "natives",
	// "servers", "slots", "state", "version", "weight".
	What string
	// Detail names the differences: "+127.0.0.1:9001" was added, "-127.0.0.1:9000" removed, "1.0.0
	// → 1.1.0" changed. Empty where What is enough.
	Detail []string
}

// Empty reports whether nothing has to be done.
func (c Change) Empty() bool { return len(c.Reload)+len(c.Runtime)+c.Servers+c.Certificates == 0 }

// Backends lists the backends that change, sorted.
func (c Change) Backends() []lb.Name {
	var names []lb.Name
	for _, r := range slices.Concat(c.Runtime, c.Reload) {
		if name, ok := strings.CutPrefix(r.Object, "backend/"); ok {
			names = append(names, lb.Name(name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Without is the change for a HAProxy that lacks something that changes at run time need: every
// difference becomes a reason to reload.
func (c Change) Without(lacks string) Change {
	if lacks == "" || len(c.Runtime)+c.Servers == 0 {
		return c
	}
	return c.reloading("the stats socket lacks " + lacks)
}

// WithoutLines is the change where no server line can be added without a reload, for the reason
// why. With an empty reason lines can be added.
func (c Change) WithoutLines(why string) Change {
	if why == "" || c.Lines == 0 {
		return c
	}
	return c.reloading(why)
}

// AddCertificates adds differences of certificates that were found in the running HAProxy, each a
// clause.
func (c *Change) AddCertificates(differences []string) {
	if len(differences) > 0 {
		c.Runtime = sorted(append(c.Runtime, Reason{Object: "process", What: "certificates", Detail: differences}))
		c.Certificates += len(differences)
	}
}

// WithoutCertificates is the change where no certificate can change without a reload, for the
// reason why. With an empty reason certificates can change.
func (c Change) WithoutCertificates(why string) Change {
	if why == "" || c.Certificates == 0 {
		return c
	}
	return c.reloading(why)
}

// reloading is the change with a reload for everything, for a reason.
func (c Change) reloading(why string) Change {
	c.Reload = sorted(slices.Concat(c.Reload, c.Runtime, []Reason{{Object: "process", What: "runtime", Detail: []string{why}}}))
	c.Servers, c.Lines, c.Certificates, c.Runtime = 0, 0, 0, nil
	return c
}

// Diff gives the change as flat lines, e.g. "backend/live members:
// +127.0.0.1:9001" and "frontend/web created", in the order of reasons.
func (c Change) Diff() []string {
	var lines []string
	for _, r := range sorted(slices.Concat(c.Reload, c.Runtime)) {
		if len(r.Detail) == 0 {
			lines = append(lines, r.Object+" "+r.What)
		}
		for _, d := range r.Detail {
			lines = append(lines, r.Object+" "+r.What+": "+d)
		}
	}
	return lines
}

// reasons collects what differs about one object.
type reasons struct {
	object string
	list   []Reason
}

// add records a difference with its details, and nothing where there are none.
func (r *reasons) add(what string, detail []string) {
	if len(detail) > 0 {
		r.list = append(r.list, Reason{Object: r.object, What: what, Detail: detail})
	}
}

// merged is the list with one reason for each thing that differs.
func (r *reasons) merged() []Reason {
	var out []Reason
	for _, reason := range r.list {
		i := slices.IndexFunc(out, func(o Reason) bool { return o.What == reason.What })
		if i < 0 {
			out = append(out, reason)
			continue
		}
		out[i].Detail = append(out[i].Detail, reason.Detail...)
	}
	return out
}

// sorted orders reasons by object and by what differs.
func sorted(list []Reason) []Reason {
	slices.SortFunc(list, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.What, b.What))
	})
	return list
}

// changed describes a value that became another one; nothing when it did not.
func changed(from, to string) []string {
	if from == to {
		return nil
	}
	return []string{orNone(from) + " → " + orNone(to)}
}

func orNone(s string) string {
	return cmp.Or(s, "none")
}

// listChanged describes what left and what joined a list, or its new order.
func listChanged(from, to []string) []string {
	if slices.Equal(from, to) {
		return nil
	}
	var detail []string
	for _, s := range subtract(from, to) {
		detail = append(detail, "-"+s)
	}
	for _, s := range subtract(to, from) {
		detail = append(detail, "+"+s)
	}
	if len(detail) == 0 {
		for i, s := range to {
			if from[i] != s {
				return []string{"another order, from " + s}
			}
		}
	}
	return detail
}

// subtract gives the elements of list that other does not hold as often, in
// list's order.
func subtract(list, other []string) []string {
	have := map[string]int{}
	for _, s := range other {
		have[s]++
	}
	var out []string
	for _, s := range list {
		if have[s]--; have[s] < 0 {
			out = append(out, s)
		}
	}
	return out
}

// texts gives the String of each value.
func texts[T any](list []T, text func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = text(v)
	}
	return out
}
