package haproxy

import (
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// A serverDefinition is what a configuration says about one server.
type serverDefinition struct {
	serverSettings
	// before is the hash of the default-server lines before it.
	before  uint64
	section *section
}

// alike reports whether two definitions lead to the same health of a server. It does not
// compare the address, weight and administrative state.
func (d *serverDefinition) alike(o *serverDefinition) bool {
	return !d.unclear && !o.unclear && d.rest == o.rest && d.before == o.before && d.section.sum == o.section.sum
}

// A section is what a proxy or defaults section sets for its lines.
type section struct {
	kind, name string
	server     serverSettings // of default-server
	options    []string       // of default-server
	sum        uint64         // hash of the lines that decide the health of servers
	mode       string
	disabled   bool
}

// An outline is what a configuration says about its servers and binds.
type outline struct {
	global  uint64                                   // hash of the lines that decide the health of all servers
	servers map[lb.Name]map[string]*serverDefinition // by backend and name
	binds   []*listener
	// slotOptions are those of the first slot, by backend: the model for lines that are added.
	slotOptions map[lb.Name]slotOptions
	options     optionTable
	// boundsSockets: the number of sockets follows from the file, not from how many files
	// HAProxy may open.
	boundsSockets bool
}

// slotOptions are the options of a slot: words of default-server, and of its line.
type slotOptions struct{ common, line []string }

// server is the definition of a server; nil: there is none.
func (o *outline) server(backend lb.Name, name string) *serverDefinition {
	if o == nil {
		return nil
	}
	return o.servers[backend][name]
}

// model is the definition that a line has which was added at run time: that of the first
// slot of its backend, with what its name stands for; nil: there is none.
func (o *outline) model(backend lb.Name, name string) *serverDefinition {
	i, own := lb.ParseSlotName(name)
	first := o.server(backend, lb.SlotName(0))
	if i < 0 || first == nil {
		return nil
	}
	words := own.Words()
	if words == nil {
		return first
	}
	d := *first
	d.rest = 0
	d.add(o.options, slices.Concat(words, o.slotOptions[backend].line))
	return &d
}

// isAlike reports whether d, a definition of o, and its counterpart in another outline are
// alike, and so are the servers that they track.
func (o *outline) isAlike(backend lb.Name, d *serverDefinition, other *outline, its *serverDefinition) bool {
	const chain = 16 // bounds tracks of tracks; HAProxy refuses cycles
	for range chain {
		if its == nil || d == nil || !d.alike(its) {
			return false
		}
		if d.track == "" {
			return true
		}
		name := d.track
		if b, server, ok := strings.Cut(d.track, "/"); ok {
			backend, name = lb.Name(b), server
		}
		d, its = o.server(backend, name), other.server(backend, name)
	}
	return false
}

// An outliner reads a configuration line by line.
type outliner struct {
	outline
	current  *section
	defaults map[string]*section // by name; "": the last section
	depth    int                 // nesting of .if
	prefixed bool                // "unix-bind" may change the paths of unix sockets
	names    map[string]string   // of servers: backends share those of slots
}

// outlineOf reads a configuration that has passed HAProxy's check.
func outlineOf(config []byte) *outline {
	o := outliner{
		outline: outline{
			servers: map[lb.Name]map[string]*serverDefinition{}, slotOptions: map[lb.Name]slotOptions{}, options: newOptionTable(),
		},
		names:   map[string]string{},
		current: &section{}, defaults: map[string]*section{"": {mode: "tcp", server: serverSettings{weight: 1}}},
	}
	for l := range configLines(config) {
		o.line(l.words, l.isClear && o.depth == 0)
	}
	if o.prefixed {
		o.binds = slices.DeleteFunc(o.binds, func(l *listener) bool { return l.network == "unix" })
	}
	found := o.outline // a pointer into o would keep what only reading needs
	return &found
}

func (o *outliner) line(words []string, isClear bool) {
	keyword := words[0]
	switch {
	case keyword == ".if":
		o.depth++
		o.current.sum = hashWord(o.current.sum, strings.Join(words, " "))
	case keyword == ".endif":
		o.depth--
	case strings.HasPrefix(keyword, "."):
		o.current.sum = hashWord(o.current.sum, strings.Join(words, " "))
	case lb.IsSection(keyword):
		o.begin(words)
	case o.current.kind == "global":
		o.setGlobal(words)
	case slices.Contains([]string{"defaults", "backend", "listen", "frontend"}, o.current.kind):
		o.proxyLine(words, isClear)
	}
}

// begin begins a section. A proxy starts with the settings of the named defaults section,
// or of the last one.
func (o *outliner) begin(words []string) {
	name, from := "", ""
	if len(words) > 1 {
		name = words[1]
	}
	if i := slices.Index(words, "from"); i > 0 && i+1 < len(words) {
		from = words[i+1]
		if i == 1 {
			name = ""
		}
	}
	base := o.defaults[from]
	if words[0] == "defaults" && from == "" || base == nil {
		base = &section{mode: "tcp", server: serverSettings{weight: 1}}
	}
	next := *base
	next.kind, next.name = words[0], name
	o.current = &next
	switch next.kind {
	case "defaults":
		o.defaults[""] = &next
		if name != "" {
			o.defaults[name] = &next
		}
	case "backend", "listen":
		o.servers[lb.Name(name)] = map[string]*serverDefinition{}
	}
}

// globalKeywords begin the lines of the global section that decide the health of
// servers.
func globalKeywords() []string {
	return []string{"ssl-", "ca-base", "crt-base", "key-base", "external-check", "insecure-", "setenv", "presetenv", "resetenv", "unsetenv", "tune.ssl."}
}

func (o *outliner) setGlobal(words []string) {
	o.prefixed = o.prefixed || words[0] == "unix-bind"
	o.boundsSockets = o.boundsSockets || words[0] == "maxconn" || words[0] == "ulimit-n"
	for _, keyword := range globalKeywords() {
		if strings.HasPrefix(words[0], keyword) {
			o.global = hashWord(o.global, strings.Join(words, " "))
		}
	}
}

// proxyLine reads a line of a proxy or of defaults.
func (o *outliner) proxyLine(words []string, isClear bool) {
	s := o.current
	switch words[0] {
	case "mode":
		s.mode = strings.Join(words[1:], " ")
	case "disabled", "enabled":
		s.disabled = words[0] == "disabled"
	case "default-server":
		s.server.unclear = s.server.unclear || !isClear
		s.server.add(o.options, words[1:])
		s.options = append(slices.Clip(s.options), words[1:]...) // other sections have the same array
	case "bind":
		if isClear && len(words) > 1 {
			o.binds = append(o.binds, listenersOf(s, words[1:])...)
		}
	case "server":
		if len(words) > 2 && o.servers[lb.Name(s.name)] != nil {
			o.define(words, isClear)
		}
		return
	}
	if decidesHealth(words) {
		s.sum = hashWord(s.sum, strings.Join(words, " "))
	}
}

// define reads a server line.
func (o *outliner) define(words []string, isClear bool) {
	s := o.current
	d := &serverDefinition{serverSettings: s.server, before: s.server.rest, section: s}
	d.rest = 0
	options := withoutNumber(words[1], words[3:])
	d.add(o.options, options)
	d.unclear = d.unclear || !isClear
	if bind, err := lb.ParseBind(words[2]); err == nil && bind.Host != "" {
		d.address = lb.HostPort(bind)
	}
	name, known := o.names[words[1]]
	if !known {
		name = strings.Clone(words[1])
		o.names[name] = name
	}
	backend := lb.Name(s.name)
	o.servers[backend][name] = d
	if name == lb.SlotName(0) {
		o.slotOptions[backend] = slotOptions{common: s.options, line: slices.Clone(options)}
	}
}

// withoutNumber is the options of a slot without the number that HAProxy would give it
// itself, as it does to a line that is added.
func withoutNumber(slot string, options []string) []string {
	number := strconv.Itoa(lb.SlotIndex(slot) + 1)
	if i := slices.Index(options, "id"); i >= 0 && i+1 < len(options) && options[i+1] == number && number != "0" {
		return slices.Concat(options[:i], options[i+2:])
	}
	return options
}

// decidesHealth reports whether a line of a proxy, other than default-server, affects the
// health of its servers.
func decidesHealth(words []string) bool {
	if len(words) > 2 && (words[0] == "no" || words[0] == "default") {
		words = words[1:]
	}
	if len(words) < 2 {
		return words[0] == "disabled" || words[0] == "enabled"
	}
	switch words[0] {
	case "http-check", "tcp-check", "external-check", "mode", "source":
		return true
	case "timeout":
		return words[1] == "check" || words[1] == "connect"
	case "option":
		return strings.HasSuffix(words[1], "chk") || strings.HasSuffix(words[1], "-check")
	}
	return false
}
