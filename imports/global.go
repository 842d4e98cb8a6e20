package imports

import (
	"fmt"
	"strings"

	"thalassa/lb"
	"thalassa/template"
)

// A section collects the raw lines of an object.
type section struct {
	header template.FileLine
	lines  []string
	src    source
}

func (s *section) add(text string, number int) {
	s.lines = append(s.lines, text)
	s.src.natives = append(s.src.natives, number)
}

// addGlobal adds the lines of a global section.
func (r *reader) addGlobal(s template.FileSection) {
	if r.global.src.header == 0 {
		r.global.header, r.global.src.header = s.Header, s.Header.Number
	}
	for _, l := range s.Lines {
		if why, ok := ownGlobal(l); ok {
			r.note(l, Replaced, "", "", why)
			continue
		}
		if why := foreignGlobal(l); why != "" {
			r.refuse(l, why, "no such line, or one in the template")
			continue
		}
		r.note(l, Raw, "section/global", fmt.Sprintf("natives[%d]", len(r.global.lines)), "")
		r.global.add(l.Text, l.Number)
	}
}

// ownGlobal says what Thalassa has in the place of a line of the global section.
func ownGlobal(l template.FileLine) (why string, ok bool) {
	value := ""
	if len(l.Words) > 1 {
		value = l.Words[1]
	}
	switch l.Words[0] {
	case "stats":
		return "the agent has a socket of its own", value == "socket" || value == "bind-process"
	case "daemon", "master-worker", "pidfile":
		return "the agent starts HAProxy itself", true
	case "nbproc":
		return "HAProxy has one worker, with threads", value == "1"
	case "user", "group", "uid", "gid":
		return "the settings haproxy-user and haproxy-group", true
	case "chroot":
		return "the template has chroot, where it is wanted", true
	case "ulimit-n":
		return "HAProxy computes it", true
	case "server-state-file", "server-state-base":
		return "the agent has a file of its own for the states of servers", true
	case "description":
		return "the agent recognizes its configuration by this line", true
	case "mworker-max-reloads":
		return "the template has this line", true
	}
	return "", false
}

// foreignGlobal says why a line of the global section cannot be carried over; empty: it can.
func foreignGlobal(l template.FileLine) string {
	switch keyword := l.Words[0]; {
	case keyword == "nbproc":
		return "asks for several processes, which share no statistics and no stick tables"
	case strings.HasSuffix(keyword, "setenv"):
		return "sets a variable of the environment"
	case strings.HasPrefix(keyword, "lua-"), strings.HasPrefix(keyword, "module-"):
		return "runs code in HAProxy"
	}
	return ""
}

// putGlobal carries over what is left of the global sections.
func (r *reader) putGlobal() {
	if len(r.global.lines) == 0 {
		return
	}
	section, err := lb.SectionSpec{Natives: r.global.lines}.Parse(lb.SectionGlobal, "")
	if err == nil {
		err = section.CheckNew()
	}
	if err != nil {
		r.refuseFields(r.global.src, err)
		return
	}
	r.put(lb.Edit{Section: &section}, section, r.global.src)
}

// localPeer says who this node is, where the file has peers and leaves it to the name of
// its host.
func (r *reader) localPeer() {
	if (lb.Section{Natives: rawLines(r.global.lines)}).Has("localpeer") {
		return
	}
	for _, s := range r.file.Sections {
		if s.Kind != "peers" {
			continue
		}
		name, at := r.ownPeer(s)
		if name == "" {
			r.refuse(s.Header, noPeer(r.options.Hostname), "localpeer NAME in the global section, or the name of this node (--hostname NAME)")
			return
		}
		if r.global.src.header == 0 {
			r.global.src.header = s.Header.Number
		}
		r.global.add("localpeer "+name, at.Number)
		return
	}
}

// noPeer says that no peer is this node.
func noPeer(hostname string) string {
	if hostname == "" {
		return "leaves open which peer is this node"
	}
	return "has no peer with the name of this node, " + hostname
}

// ownPeer is the peer of a section that is this node: it has the name of the host, or no
// address.
func (r *reader) ownPeer(s template.FileSection) (string, template.FileLine) {
	var own template.FileLine
	for _, l := range s.Lines {
		isPeer := l.Words[0] == "peer" || l.Words[0] == "server"
		switch {
		case isPeer && len(l.Words) > 1 && l.Words[1] == r.options.Hostname:
			return l.Words[1], l
		case isPeer && len(l.Words) == 2:
			own = l
		}
	}
	if own.Number == 0 {
		return "", own
	}
	return own.Words[1], own
}

func rawLines(texts []string) []lb.RawLine {
	out := make([]lb.RawLine, len(texts))
	for i, t := range texts {
		out[i] = lb.RawLine(t)
	}
	return out
}
