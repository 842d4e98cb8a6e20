package lb

import "slices"

// ownWeight is the weight of members with equal weights if an agent sets percentages of weights
// (agent-check): HAProxy rounds down, and 50 % of 1 is 0.
const ownWeight = 100

// AsksAgent reports whether raw lines make HAProxy ask an agent about the backend's own
// servers ("default-server agent-check", configuration manual, 5.2). The agent then owns
// weights and states: it answers "50%", "drain", "maint" or "ready".
func (b Backend) AsksAgent() bool {
	asks := false
	for _, line := range b.Natives {
		asks = agentOption(string(line), asks, "default-server")
	}
	return asks
}

// AsksAgent reports whether a line of a template has an option with which HAProxy asks an
// agent about servers.
func AsksAgent(line string) bool { return agentOption(line, false, "default-server", "server") }

// agentOption is what an option of a line with one of these keywords sets; before where
// it sets nothing.
func agentOption(line string, before bool, keywords ...string) bool {
	w, err := SplitWords(line)
	if err != nil || len(w.Values) == 0 || !slices.Contains(keywords, w.Values[0]) {
		return before
	}
	for _, word := range w.Values[1:] {
		if word == "agent-check" || word == "no-agent-check" {
			before = word == "agent-check"
		}
	}
	return before
}

// leaveToAgent prepares a backend whose weights and states an agent sets.
func (p ResolvedBackend) leaveToAgent() ResolvedBackend {
	p.AgentCheck = true
	p.Members = slices.Clone(p.Members)
	raiseWeights(p.Members)
	return p
}

// raiseWeights scales weights so that percentages of them are exact enough: the smallest becomes
// 100 if the largest then fits, else the largest becomes 256.
func raiseWeights(members []Member) {
	least, greatest := 0, 0
	for _, m := range members {
		greatest = max(greatest, m.Weight)
		if m.Weight > 0 && (least == 0 || m.Weight < least) {
			least = m.Weight
		}
	}
	if greatest == 0 || greatest >= ownWeight {
		return
	}
	to, of := ownWeight, least
	if greatest*ownWeight > maxWeight*least {
		to, of = maxWeight, greatest
	}
	for i, m := range members {
		members[i].Weight = (m.Weight*to + of/2) / of
	}
}
