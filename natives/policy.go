// Package natives decides what raw lines of frontends, backends and sections may make HAProxy use:
// files, sockets, programs, environment variables, and names that clients choose. It resolves the
// names of files as HAProxy will, and never opens one. Package lb knows which line uses what.
package natives

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// A Policy says what raw lines may use. The zero value accepts only lines that use nothing outside
// of haproxy.cfg. It may be used concurrently.
type Policy struct {
	// Dirs are directories of files whose contents clients and messages may contain. Their
	// subdirectories count, too.
	Dirs []string
	// CertificateDirs are further directories, with certificates, keys and authorities.
	CertificateDirs []string
	// Own are the files and directories of the agent itself. No line may name one,
	// something in one, or a file whose name begins with that of one.
	Own []string
	// Any accepts all lines except those that name a file of the agent's own.
	Any bool
}

// Dirs are the default directories of content files.
func Dirs() []string { return []string{"/etc/haproxy", "/usr/share/haproxy"} }

// CertificateDirs are where systems keep certificates.
func CertificateDirs() []string { return []string{"/etc/ssl", "/etc/letsencrypt"} }

// Check checks the lines that an edit writes. refused names each line that uses something it may
// not. doubt names lines with an unknown word: refuse them, too, but only after HAProxy has checked
// them, since its message about a wrong word is better. Both are nil or a *lb.InvalidError.
func (p Policy) Check(e lb.Edit) (refused, doubt error) {
	known, unknown := p.judge(e)
	return invalid(known), invalid(unknown)
}

// Warnings are one sentence for each line of the intent that Check would refuse
// now, sorted by object.
func (p Policy) Warnings(in lb.Intent) []string {
	var out []string
	note := func(e lb.Edit) {
		known, unknown := p.judge(e)
		for _, field := range append(known, unknown...) {
			out = append(out, e.ID()+": "+field.Error()+"; it stays in effect until it is edited")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(in.Backends)) {
		b := in.Backends[key]
		note(lb.Edit{Backend: &b})
	}
	for _, key := range slices.Sorted(maps.Keys(in.Frontends)) {
		f := in.Frontends[key]
		note(lb.Edit{Frontend: &f})
	}
	for _, s := range in.SortedSections() {
		note(lb.Edit{Section: &s})
	}
	return out
}

func invalid(fields []lb.FieldError) error {
	if len(fields) == 0 {
		return nil
	}
	return &lb.InvalidError{Fields: fields}
}

// judge lists the bad uses of an object, those of unknown words apart.
func (p Policy) judge(e lb.Edit) (known, unknown []lb.FieldError) {
	for _, field := range usesOf(e.Object()) {
		for _, use := range field.uses {
			problem, bad := p.judgeUse(use)
			problem.Path = field.path
			switch {
			case bad && use.Kind == lb.Unknown:
				unknown = append(unknown, problem)
			case bad:
				known = append(known, problem)
			}
		}
	}
	return known, unknown
}

// fieldUses is what a field of an object makes HAProxy use.
type fieldUses struct {
	path string
	uses []lb.Use
}

// usesOf lists what an object makes HAProxy use. A backend's balance may be an expression.
func usesOf(o lb.Object) []fieldUses {
	return lb.Match(o,
		func(f lb.Frontend) []fieldUses {
			return append([]fieldUses{{"bind", f.RawBind.Uses()}}, usesOfLines(f.Natives)...)
		},
		func(b lb.Backend) []fieldUses {
			return append([]fieldUses{{"balance", lb.ExpressionUses(b.Balance)}}, usesOfLines(b.Natives)...)
		},
		func(s lb.Section) []fieldUses {
			all := s.Uses()
			out := make([]fieldUses, len(all))
			for i, uses := range all {
				out[i] = fieldUses{nativesField(i), uses}
			}
			return out
		},
		nil, // the files of certificates are Thalassa's own
	)
}

func usesOfLines(lines []lb.RawLine) []fieldUses {
	out := make([]fieldUses, len(lines))
	for i, line := range lines {
		out[i] = fieldUses{nativesField(i), line.Uses()}
	}
	return out
}

func nativesField(i int) string { return "natives[" + strconv.Itoa(i) + "]" }

// allowAny is the end of the message about a line that only --allow-natives any accepts.
const allowAny = ", or an agent with --allow-natives any"

func (p Policy) judgeUse(use lb.Use) (f lb.FieldError, bad bool) {
	switch use.Kind {
	case lb.ContentFile:
		return p.judgeFile(use, p.Dirs, "natives-dirs")
	case lb.CertificateFile:
		return p.judgeFile(use, slices.Concat(p.Dirs, p.CertificateDirs), "natives-dirs, and those for certificates")
	case lb.Socket:
		return p.judgeSocket(use)
	case lb.Unreadable:
		return lb.FieldError{Problem: use.Name, Expected: "a line that HAProxy can read"}, true
	case lb.Program:
		f.Problem = by(use) + strconv.Quote(use.Name) + " runs a program or uses rights over this machine"
		f.Expected = "a line that does not" + allowAny
	case lb.Destination:
		f.Problem = by(use) + strconv.Quote(use.Name) + " lets clients choose where connections lead, also to what administers this node"
		f.Expected = "an address with a port" + allowAny
	case lb.Environment:
		f.Problem = by(use) + "reads HAProxy's environment variable " + strconv.Quote(use.Name)
		f.Expected = "the value itself, a dollar sign in single quotes or after a backslash" + allowAny
	case lb.Unknown:
		f.Problem = by(use) + use.Name + " is not known, so nobody knows what it reaches"
		f.Expected = "a keyword that HAProxy 2.6 to 3.2 has in this section" + allowAny
	}
	return f, !p.Any
}

// by begins a sentence with the word that names what is used.
func by(use lb.Use) string {
	if use.By == "" {
		return ""
	}
	return use.By + ": "
}

// judgeSocket accepts the socket of the machine's log, which can only be written to.
func (p Policy) judgeSocket(use lb.Use) (f lb.FieldError, bad bool) {
	path := use.Name
	for _, prefix := range []string{"unix@", "uxst@", "uxdg@"} {
		if i := strings.Index(path, prefix); i >= 0 {
			path = path[i+len(prefix):]
		}
	}
	if use.By == "log" && path == "/dev/log" {
		return f, false
	}
	if p.Any {
		if owned, _ := p.isOwn(path); !owned {
			return f, false
		}
		return lb.FieldError{
			Problem: by(use) + strconv.Quote(use.Name) + " is the agent's own", Expected: "another socket",
		}, true
	}
	return lb.FieldError{
		Problem:  by(use) + strconv.Quote(use.Name) + " is no network address",
		Expected: "an IP address or a host name with a port" + allowAny,
	}, true
}

func (p Policy) judgeFile(use lb.Use, dirs []string, setting string) (f lb.FieldError, bad bool) {
	f.Expected = "a file in " + enumeration(dirs) + " (" + setting + ")"
	if len(dirs) == 0 {
		f.Expected = "a line without a file (" + setting + ")"
	}
	f.Problem = by(use) + "the file " + strconv.Quote(use.Name)
	where, err := resolve(use.Name, use.Kind == lb.CertificateFile)
	switch owned, reason := p.isOwn(use.Name, where); {
	case owned:
		f.Problem += " " + reason
		return f, true
	case p.Any:
		return f, false
	case errors.Is(err, errRelative):
		f.Problem += " has a relative name, which HAProxy's other settings lead elsewhere"
		f.Expected += ", by its absolute name"
		return f, true
	case err != nil:
		f.Problem += " " + err.Error()
		return f, true
	}
	for _, dir := range dirs {
		if isBelow(where, resolved(dir)) {
			return f, false
		}
	}
	if where != use.Name && slices.ContainsFunc(dirs, func(dir string) bool { return isBelow(use.Name, dir) }) {
		f.Problem += " leads to " + strconv.Quote(where) + ", which"
	}
	f.Problem += " is in none of the directories for raw lines"
	return f, true
}

// enumeration is "a, b or c".
func enumeration(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}
