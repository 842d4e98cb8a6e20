package cluster

import (
	"slices"
	"strings"
	"time"
)

// A Loss is what the failure of nodes, all at the same time, would do to the cluster.
type Loss struct {
	Nodes []string `json:"nodes"` // sorted
	// Known: it was computed. If it was not, Problem may say why.
	Known   bool   `json:"known"`
	Problem string `json:"problem,omitempty"`
	// Survives: all that runs now runs afterwards.
	Survives bool `json:"survives"`
	// Quorum: what is left of the cluster has quorum.
	Quorum bool `json:"quorum"`
	// Lost are the resources that run now and nowhere afterwards; Addresses those of their
	// floating IPs.
	Lost      []string `json:"lost"`
	Addresses []string `json:"addresses,omitempty"`
	// Demoted are resources that have a promoted instance now, and none afterwards.
	Demoted []string `json:"demoted,omitempty"`
	// Reasons have sentences about what else is worse then.
	Reasons []string `json:"reasons,omitempty"`
}

// Names are the nodes in a sentence: "lb1 and lb3 together".
func (l Loss) Names() string {
	if len(l.Nodes) == 1 {
		return l.Nodes[0]
	}
	last := len(l.Nodes) - 1
	return strings.Join(l.Nodes[:last], ", ") + " and " + l.Nodes[last] + " together"
}

// String says in a sentence whether the loss is survived.
func (l Loss) String() string {
	switch {
	case !l.Known:
		return l.Names() + ": not computed yet"
	case l.Survives:
		return l.Names() + ": yes"
	}
	return l.Names() + ": " + l.what()
}

// what says what is lost.
func (l Loss) what() string {
	var parts []string
	switch {
	case len(l.Addresses) == 1:
		parts = append(parts, "the address "+l.Addresses[0]+" is lost")
	case len(l.Addresses) > 1:
		parts = append(parts, "the addresses "+strings.Join(l.Addresses, ", ")+" are lost")
	}
	if len(l.Lost) > 0 {
		parts = append(parts, strings.Join(l.Lost, ", ")+" "+verb(len(l.Lost), "runs", "run")+" nowhere")
	}
	if len(l.Demoted) > 0 {
		parts = append(parts, strings.Join(l.Demoted, ", ")+" "+verb(len(l.Demoted), "has", "have")+" no promoted instance")
	}
	if !l.Quorum {
		parts = append(parts, "what is left has no quorum")
	}
	return strings.Join(parts, "; ")
}

func verb(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

// Losses are what is known about the failure of nodes.
type Losses struct {
	// Epoch is that of the CIB from which they were computed.
	Epoch Epoch `json:"epoch"`
	// Computing: some that belong here are not computed yet.
	Computing bool `json:"computing"`
	// Time is when the last one was computed; zero: none was.
	Time time.Time `json:"time"`
	// Text has a sentence for all single nodes, one for each pair that is not survived, and
	// one for what is not known.
	Text []string `json:"text"`
	List []Loss   `json:"losses"`
}

// Summarize sets Text.
func (l *Losses) Summarize() {
	l.Text = []string{}
	var single, pairs []Loss
	for _, loss := range l.List {
		if len(loss.Nodes) == 1 {
			single = append(single, loss)
		} else {
			pairs = append(pairs, loss)
		}
	}
	unknown := func(loss Loss) bool { return !loss.Known }
	bad := func(loss Loss) bool { return loss.Known && !loss.Survives }
	switch {
	case len(single) == 0:
	case slices.ContainsFunc(single, bad):
		l.Text = append(l.Text, "any one node: no")
	case slices.ContainsFunc(single, unknown):
		l.Text = append(l.Text, "any one node: "+l.unknown())
	default:
		l.Text = append(l.Text, "any one node: yes")
	}
	for _, loss := range slices.Concat(single, pairs) {
		if bad(loss) {
			l.Text = append(l.Text, loss.String())
		}
	}
	switch {
	case len(pairs) == 0:
	case slices.ContainsFunc(pairs, unknown):
		l.Text = append(l.Text, "any two nodes together: "+l.unknown())
	case !slices.ContainsFunc(pairs, bad):
		l.Text = append(l.Text, "any two nodes together: yes")
	}
	reasons := map[string]bool{} // each once: all may have the same
	for _, loss := range l.List {
		if loss.Problem != "" && !reasons[loss.Problem] {
			reasons[loss.Problem] = true
			l.Text = append(l.Text, loss.Names()+": not known: "+loss.Problem)
		}
	}
}

// unknown says what is known of something that was not computed.
func (l *Losses) unknown() string {
	if l.Computing {
		return "not computed yet"
	}
	return "not known"
}
