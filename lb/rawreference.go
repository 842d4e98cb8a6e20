package lb

import (
	"slices"
	"strconv"
	"strings"
)

// A rawTarget is a backend that a raw line of a frontend routes to.
type rawTarget struct {
	path    string // "natives[0]"
	backend Name
}

// rawTargets lists the backends that raw lines route to. Targets that an expression
// computes are not among them.
func (f Frontend) rawTargets() []rawTarget { return rawTargets(f.Natives) }

func rawTargets(lines []RawLine) []rawTarget {
	var out []rawTarget
	for i, n := range lines {
		words := rawWords(n)
		if len(words) < 2 || words[0].text != "use_backend" && words[0].text != "default_backend" {
			continue
		}
		if name, err := ParseName(words[1].text); err == nil && !words[1].open {
			out = append(out, rawTarget{"natives[" + strconv.Itoa(i) + "]", name})
		}
	}
	return out
}

// AllTargets lists the backends that the frontend can send a request to, by a field or by a
// raw line, sorted. Those that an expression computes are not among them.
func (f Frontend) AllTargets() []Name {
	keys := f.Targets()
	for _, t := range f.rawTargets() {
		keys = append(keys, t.backend)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// routesTo reports whether the frontend can send a request to a backend, by a field or by
// a raw line.
func (f Frontend) routesTo(backend Name) bool {
	return slices.Contains(f.Targets(), backend) ||
		slices.ContainsFunc(f.rawTargets(), func(t rawTarget) bool { return t.backend == backend })
}

// checkRawLines checks the raw lines of a new or changed object against all others: that
// an address is bound once, and that a backend fits the mode. It does not check what is
// stored of other objects. bound has the listeners of all frontends. The error is a
// *ConflictError or an *InvalidError.
func checkRawLines(in Intent, f Frontend, bound []boundObject) error {
	if err := checkListeners(f.ID(), f.listeners(), bound); err != nil {
		return err
	}
	var fe FieldErrors
	for _, t := range f.rawTargets() {
		if _, ok := in.Backends[t.backend]; ok {
			checkTarget(in, &fe, t.path, f, t.backend)
		}
	}
	return fe.Err()
}

// checkListeners checks that no other object listens where one does. The error is a
// *ConflictError.
func checkListeners(id string, own []listener, bound []boundObject) error {
	for _, other := range bound {
		if other.id == id {
			continue
		}
		for _, o := range other.listeners {
			if i := slices.IndexFunc(own, o.overlaps); i >= 0 {
				reason := own[i].text + " (" + own[i].path + ") is bound by " + other.id + " already"
				if o.path != "bind" {
					reason += " (" + o.path + ")"
				}
				return &ConflictError{ID: id, Reason: reason, By: []string{other.id}}
			}
		}
	}
	return nil
}

// A boundObject is a frontend or section with what it listens on.
type boundObject struct {
	id        string
	listeners []listener
}

// boundObjects has all frontends and sections with what they listen on, sorted.
func boundObjects(in Intent) []boundObject {
	out := make([]boundObject, 0, len(in.Frontends)+len(in.Sections))
	for _, f := range in.SortedFrontends() {
		out = append(out, boundObject{f.ID(), f.listeners()})
	}
	for _, s := range in.SortedSections() {
		out = append(out, boundObject{s.ID(), s.listeners()})
	}
	return out
}

// UnknownTargets says which raw lines of an edited frontend or section route to a name that is not
// a backend of the intent. The template may define it, so callers report this error only if HAProxy refuses
// the configuration. The error is an *InvalidError.
func (e Edit) UnknownTargets(in Intent) error {
	var fe FieldErrors
	switch {
	case e.Frontend != nil:
		for _, t := range e.Frontend.rawTargets() {
			if _, ok := in.Backends[t.backend]; !ok {
				checkTarget(in, &fe, t.path, *e.Frontend, t.backend)
			}
		}
	case e.Section != nil:
		for _, t := range e.Section.targets() {
			if _, ok := in.Backends[t.backend]; !ok {
				fe.Add(t.path, strconv.Quote(string(t.backend))+" is not a backend", "the key of a backend that exists")
			}
		}
	}
	return fe.Err()
}

// proxyFetches take the name of a proxy, or of a server in one, as their first argument
// (configuration manual, 7.3).
const proxyFetches = " avg_queue be_conn be_conn_free be_conn_rate be_sess_rate be_server_timeout be_tunnel_timeout connslots fe_conn" +
	" fe_req_rate fe_sess_rate nbsrv queue srv_conn srv_conn_free srv_is_up srv_iweight srv_queue srv_sess_rate srv_uweight" +
	" srv_weight table_avail table_cnt "

// names reports whether a raw line of another section names the proxy: its servers, its
// stick table or its counters.
func (n RawLine) names(proxy Name) bool {
	text := string(proxy)
	if !strings.Contains(string(n), text) {
		return false
	}
	words := lineWords(n)
	if wordAt(words, 0) == "log" && wordAt(words, 1) == "backend@"+text {
		return true
	}
	for i, word := range words {
		next := wordAt(words, i+1)
		owner, _, _ := strings.Cut(next, "/")
		switch {
		case word == "track" && owner == text && owner != next, word == "table" && next == text,
			word == "attach-srv" && owner == text && owner != next:
			return true
		case fetchNames(word, text):
			return true
		}
	}
	return false
}

// fetchNames reports whether an expression has the proxy as the argument of a fetch, e.g.
// "nbsrv(live)" or "%[srv_is_up(live/s1)]".
func fetchNames(word, proxy string) bool {
	for {
		name, rest, ok := strings.Cut(word, "(")
		if !ok {
			return false
		}
		if i := strings.LastIndexFunc(name, func(r rune) bool { return !isNameRune(r) }); i >= 0 {
			name = name[i+1:]
		}
		argument, _, _ := strings.Cut(rest, ")")
		first, _, _ := strings.Cut(argument, ",")
		first, _, _ = strings.Cut(first, "/")
		isTable := strings.HasPrefix(name, "table_") || strings.HasPrefix(name, "sc") || name == "in_table"
		switch {
		case isOneOf(proxyFetches, name) && first == proxy:
			return true
		case isTable && (argument == proxy || strings.HasSuffix(argument, ","+proxy)):
			return true
		}
		word = rest
	}
}

// usedBy lists the ids of the other objects whose raw lines name an object.
func usedBy(in Intent, id string) []string {
	names := namesOf(id)
	if names == nil {
		return nil
	}
	return idsOf(in, func(o Object) bool { return o.ID() != id && slices.ContainsFunc(rawLinesOf(o), names) })
}

// rawLinesOf are the raw lines of an object, with that of its field bind.
func rawLinesOf(o Object) []RawLine {
	return Match(o,
		func(f Frontend) []RawLine {
			if f.RawBind == "" {
				return f.Natives
			}
			return append(slices.Clip(f.Natives), f.RawBind)
		},
		func(b Backend) []RawLine { return b.Natives },
		func(s Section) []RawLine { return s.Natives },
		nil,
	)
}

// namesOf finds the raw lines that name an object; nil: none can.
func namesOf(id string) func(RawLine) bool {
	kind, name, _ := strings.Cut(id, "/")
	if Kind(kind) == KindSection {
		kind, name, _ = strings.Cut(name, "/")
		if isReferable(kind) {
			return func(n RawLine) bool { return n.namesSection(kind, name) }
		}
	}
	if kind == string(KindFrontend) || kind == string(KindBackend) || kind == SectionListen {
		return func(n RawLine) bool { return n.names(Name(name)) }
	}
	return nil
}
