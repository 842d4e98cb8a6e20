package lb

import (
	"slices"
	"strconv"
	"strings"
)

// The kinds of sections that have a meaning here.
const (
	SectionGlobal   = "global"
	SectionDefaults = "defaults"
	SectionListen   = "listen"
)

// A Section is a section of haproxy.cfg that is neither a frontend nor a backend. Its lines are
// copied unchanged. The kinds global and defaults also have one without a name: its lines are added
// to the section that the template writes itself.
type Section struct {
	Kind string // of SectionKinds
	// Name is empty for the lines that are added to the template's own global or defaults.
	Name Name
	// Defaults names the section of defaults that a listen or defaults section is based on; empty:
	// a listen section is based on the template's defaults, and defaults on nothing.
	Defaults Name
	Natives  []RawLine
}

// A SectionSpec is a section as written by a user, not yet checked.
type SectionSpec struct {
	Defaults string
	Natives  []string
}

// SectionKinds lists the kinds of sections that can have raw lines.
func SectionKinds() []string {
	return []string{
		SectionGlobal, SectionDefaults, "cache", "crt-store", "fcgi-app", "http-errors", SectionListen, "log-forward", "log-profile",
		"mailers", "peers", "program", "resolvers", "ring", "userlist",
	}
}

// isReserved reports whether the default template writes a section of that kind and name.
func isReserved(kind string, name Name) bool {
	return kind == "peers" && name == OwnPeers || kind == "resolvers" && name == "system"
}

// OwnPeers is the name of the peers section that passes on stick tables at a reload, and of the
// local peer unless raw lines of the global section name another one.
const OwnPeers = "thalassa"

// Parse checks the section of that kind and name; the name is empty for the lines of the
// template's own global and defaults sections. The error is an *InvalidError.
func (s SectionSpec) Parse(kind, name string) (Section, error) {
	var fe FieldErrors
	out := Section{Kind: kind}
	var err error
	switch {
	case !slices.Contains(SectionKinds(), kind):
		fe.Add("kind", strconv.Quote(kind)+" is not a kind of section that can have raw lines", "one of "+strings.Join(SectionKinds(), ", "))
	case name == "" && kind != SectionGlobal && kind != SectionDefaults:
		fe.Add("name", "is missing", "the name of the "+kind+" section")
	case name != "" && kind == SectionGlobal:
		fe.Add("name", "does not belong to the global section", "no name")
	case name != "":
		out.Name, err = ParseName(name)
		fe.AddErr("name", err)
		if isReserved(kind, out.Name) {
			fe.Add("name", kind+" "+name+" is a section of Thalassa's own", "another name")
		}
	}
	if s.Defaults != "" {
		out.Defaults, err = ParseName(s.Defaults)
		fe.AddErr("defaults", err)
		if kind != SectionListen && (kind != SectionDefaults || name == "") {
			fe.Add("defaults", "does not belong to this section", "a section of kind listen, or defaults with a name")
		}
	}
	out.Natives = parseNatives(&fe, s.Natives)
	return out, fe.Err()
}

// Spec is the inverse of SectionSpec.Parse.
func (s Section) Spec() SectionSpec {
	return SectionSpec{Defaults: string(s.Defaults), Natives: nativeTexts(s.Natives)}
}

// Key is "KIND/NAME", or "global" or "defaults" for the lines of the template's own.
func (s Section) Key() string {
	if s.Name == "" {
		return s.Kind
	}
	return s.Kind + "/" + string(s.Name)
}

// ID is "section/KIND/NAME", "section/global" or "section/defaults".
func (s Section) ID() string { return sectionPrefix + s.Key() }

const sectionPrefix = string(KindSection) + "/"

// ETag is the entity tag of the section, quotes included.
func (s Section) ETag() string { return entityTag(s) }

func (s Section) digest() digest {
	d := newDigest("section", s.Kind, string(s.Name), string(s.Defaults))
	d.list(nativeTexts(s.Natives)...)
	return d
}

// IsProxy reports whether the section may have the lines of frontends and backends.
func (s Section) IsProxy() bool { return s.Kind == SectionListen || s.Kind == SectionDefaults }

// CheckNew checks the conditions that apply only to new definitions: that it binds no address
// twice, and sets nothing that Thalassa itself sets. The error is an *InvalidError.
func (s Section) CheckNew() error {
	var fe FieldErrors
	s.Name.checkNew(&fe)
	checkListenedOnce(&fe, s.listeners())
	for i, n := range s.Natives {
		if words := lineWords(n); s.owns(words) {
			fe.Add("natives["+strconv.Itoa(i)+"]", strconv.Quote(string(n))+" sets what Thalassa itself sets", "no such line, or one in the template")
		}
	}
	return fe.Err()
}

// owns reports whether Thalassa itself sets what a line of the global or defaults section sets: how
// HAProxy runs, and how a new worker takes over from the previous one.
func (s Section) owns(words []string) bool {
	if len(words) > 1 && (words[0] == "no" || words[0] == "default") {
		words = words[1:]
	}
	switch {
	case s.Name != "":
		return false
	case s.Kind == SectionGlobal:
		return isOneOf(" daemon description master-worker mworker-max-reloads nbproc pidfile server-state-base server-state-file unix-bind ", wordAt(words, 0)) ||
			wordAt(words, 0) == "stats" && wordAt(words, 1) == "socket"
	case s.Kind == SectionDefaults:
		return wordAt(words, 0) == "load-server-state-from-file"
	}
	return false
}

// Ineffective returns a sentence for each line of the template's own defaults that affects only
// listen sections, because each frontend and backend sets it itself.
func (s Section) Ineffective() []string {
	if s.Kind != SectionDefaults || s.Name != "" {
		return nil
	}
	var out []string
	for i, n := range s.Natives {
		words := lineWords(n)
		switch {
		case isOneOf(" mode balance ", wordAt(words, 0)):
		case wordAt(words, 0) == "default-server" && (slices.Contains(words, "inter") || slices.Contains(words, "weight")):
		default:
			continue
		}
		out = append(out, s.ID()+": natives["+strconv.Itoa(i)+"]: "+strconv.Quote(string(n))+
			" holds for listen sections only: frontends and backends have their own")
	}
	return out
}

// listeners lists what the section listens on.
func (s Section) listeners() []listener {
	var out []listener
	for i, n := range s.Natives {
		field := "natives[" + strconv.Itoa(i) + "]"
		line, isDatagram := strings.CutPrefix(string(n), "dgram-")
		found := lineListeners(field, RawLine(line))
		for _, l := range found {
			if isDatagram && l.network == networkTCP {
				l.network = networkUDP
			}
			out = append(out, l)
		}
	}
	return out
}

// ListensOn reports whether the section has an address in common with b.
func (s Section) ListensOn(b Bind) bool {
	own := Frontend{Binds: []Bind{b}}.listeners()[0]
	return slices.ContainsFunc(s.listeners(), own.overlaps)
}

// targets lists the backends that the section routes to.
func (s Section) targets() []rawTarget {
	if !s.IsProxy() {
		return nil
	}
	return rawTargets(s.Natives)
}

func (s Section) routesTo(backend Name) bool {
	return slices.ContainsFunc(s.targets(), func(t rawTarget) bool { return t.backend == backend })
}

// Has reports whether one of the lines begins with the words.
func (s Section) Has(words ...string) bool {
	_, ok := s.Value(words...)
	return ok
}

// Value is the word after the given ones, of the last line that begins with them.
func (s Section) Value(words ...string) (string, bool) {
	for _, n := range slices.Backward(s.Natives) {
		line := lineWords(n)
		if len(line) >= len(words) && slices.Equal(line[:len(words)], words) {
			return wordAt(line, len(words)), true
		}
	}
	return "", false
}

// SortedSections lists the sections so that each comes after the defaults that it is based on:
// defaults first, then by kind and name.
func (in Intent) SortedSections() []Section {
	out := make([]Section, 0, len(in.Sections))
	depths := map[string]int{}
	for key, s := range in.Sections {
		depths[key] = depth(in, s)
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Section) int {
		rank := func(s Section) int {
			if s.Kind == SectionDefaults {
				return depths[s.Key()]
			}
			return len(in.Sections) + 1
		}
		if c := rank(a) - rank(b); c != 0 {
			return c
		}
		return strings.Compare(a.Key(), b.Key())
	})
	return out
}

// depth counts the chain of defaults that a section is based on. It is at most the number of
// sections, in case they form a cycle.
func depth(in Intent, s Section) int {
	for depth := range len(in.Sections) {
		next, ok := in.Sections[defaultsKey(s.Defaults)]
		if s.Defaults == "" || !ok {
			return depth
		}
		s = next
	}
	return len(in.Sections)
}

func defaultsKey(name Name) string { return SectionDefaults + "/" + string(name) }

// checkDefaults checks that the defaults that an object is based on exist.
func checkDefaults(in Intent, fe *FieldErrors, id string, defaults Name) {
	if defaults == "" {
		return
	}
	if _, ok := in.Sections[defaultsKey(defaults)]; !ok {
		fe.Add("defaults", strconv.Quote(string(defaults))+" is not a section of defaults ("+id+" would begin with it)", "the name of one that exists")
	}
}

// CheckDefaults checks that the section of defaults that an object is based on exists, and that no
// section is based on itself. The error is an *InvalidError.
func (in Intent) CheckDefaults(o Object) error {
	var fe FieldErrors
	checkDefaults(in, &fe, o.ID(), defaultsOf(o))
	if s, ok := o.(Section); ok && s.Defaults != "" && depth(in, s) == len(in.Sections) {
		fe.Add("defaults", o.ID()+" would begin with itself", "other defaults")
	}
	return fe.Err()
}

// defaultsOf names the section of defaults that an object is based on; empty: none.
func defaultsOf(o Object) Name {
	return Match(o,
		func(f Frontend) Name { return f.Defaults },
		func(b Backend) Name { return b.Defaults },
		func(s Section) Name { return s.Defaults },
		nil,
	)
}

// checkAllDefaults is CheckDefaults for everything but frontends.
func checkAllDefaults(in Intent) error {
	for _, b := range in.Backends {
		if b.Defaults == "" { // as most
			continue
		}
		if err := in.CheckDefaults(b); err != nil {
			return err
		}
	}
	for _, s := range in.SortedSections() {
		if err := in.CheckDefaults(s); err != nil {
			return err
		}
	}
	return nil
}

// basedOn lists the ids of the objects that are based on the section of defaults of that
// id.
func basedOn(in Intent, id string) []string {
	s, ok := strings.CutPrefix(id, sectionPrefix+SectionDefaults+"/")
	if !ok {
		return nil
	}
	return idsOf(in, func(o Object) bool { return string(defaultsOf(o)) == s })
}

// parseDefaults reads the name of a section of defaults; empty: none.
func parseDefaults(s string) (Name, error) {
	if s == "" {
		return "", nil
	}
	return ParseName(s)
}
