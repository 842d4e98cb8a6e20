package haproxy

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"thalassa/internal/safefile"
	"thalassa/lb"
	"thalassa/statsock"
)

// HAProxy makes server lines at run time (management guide, 9.3, "add server"). It ignores
// default-server then, and HAProxy 2.6 also the built-in defaults of several options. So
// an added line gets every option of the first slot of its backend, and those defaults.
// Added lines are never deleted: HAProxy refuses that while connections are open.

// A LinesError says why HAProxy adds no server lines to a backend at run time.
type LinesError struct {
	Backend lb.Name
	Why     string
}

// Error names the backend and the reason.
func (e *LinesError) Error() string {
	return "adding server lines to backend " + string(e.Backend) + ": " + e.Why
}

// registered is in HAProxy's answer when it has added a line; exists when a line of that name
// exists already.
const (
	registered = "New server registered"
	exists     = "Already exists a server with the same name"
)

// addLines makes the lines of ops that add a server in use, or a spare one.
func (a *adjustment) addLines(ctx context.Context, session *statsock.Session, spare bool) error {
	ops := slices.DeleteFunc(slices.Clone(a.ops), func(op lb.ServerOp) bool { return !op.Add || op.Ready == spare })
	if len(ops) == 0 {
		return nil
	}
	if err := a.checkSockets(ctx, session, ops); err != nil {
		return err
	}
	type kind struct {
		backend lb.Name
		own     lb.OwnTLS
	}
	options := map[kind]*lineOptions{}
	var owners []lb.ServerOp
	var all []string
	for _, op := range ops {
		_, own := lb.ParseSlotName(op.Server)
		o := options[kind{op.Backend, own}]
		if o == nil {
			o = a.file.lineOptions(op.Backend, own)
			options[kind{op.Backend, own}] = o
		}
		if o.why != "" {
			return &LinesError{op.Backend, o.why}
		}
		for _, command := range o.commands(id(op)) {
			owners, all = append(owners, op), append(all, command)
		}
	}
	answers, err := session.DoAll(ctx, all...)
	if err != nil {
		return err
	}
	for i, answer := range answers {
		said := strings.TrimSpace(answer)
		if strings.HasPrefix(all[i], "add ") && !strings.Contains(said, registered) && !strings.Contains(said, exists) {
			return &LinesError{owners[i].Backend, fmt.Sprintf("haproxy said %.200q", said)}
		}
	}
	a.added += len(ops)
	return nil
}

// checkSockets refuses lines with which HAProxy could not start again: with a "maxconn" of
// its own it needs a socket for the check of each line.
func (a *adjustment) checkSockets(ctx context.Context, session *statsock.Session, ops []lb.ServerOp) error {
	if a.file == nil || !a.file.boundsSockets {
		return nil
	}
	info, err := session.ShowInfo(ctx)
	if err != nil {
		return err
	}
	need := info.MaxSockets + a.added + len(ops)
	if limit := fileLimit(info.PID); limit > 0 && need > limit {
		return &LinesError{ops[0].Backend, fmt.Sprintf("haproxy may open %d files and would need %d", limit, need)}
	}
	return nil
}

// fileLimit is the hard limit of open files of a process; 0: unknown, or no limit.
func fileLimit(pid int) int {
	data, err := safefile.Read("/proc/"+strconv.Itoa(pid)+"/limits", maxProc)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) > 1 {
				n, _ := strconv.Atoi(f[1]) // 0 for "unlimited"
				return n
			}
		}
	}
	return 0
}

// lineOptions are the options of lines that are added to a backend.
type lineOptions struct {
	words        []string
	check, agent bool
	why          string // no line can be added
}

// commands make one line, in maintenance.
func (o *lineOptions) commands(id string) []string {
	out := []string{"add server " + id + " " + lb.SpareAddress().String() + " " + strings.Join(o.words, " ")}
	if o.check {
		out = append(out, "enable health "+id)
	}
	if o.agent {
		out = append(out, "enable agent "+id, "set server "+id+" agent up") // a line of the file begins so
	}
	return out
}

// lineOptions are those of the first slot of a backend, if all of its slots are alike except for
// what their names stand for, and then those of a slot of its own.
func (o *outline) lineOptions(backend lb.Name, own lb.OwnTLS) *lineOptions {
	first := o.server(backend, lb.SlotName(0))
	if first == nil {
		return &lineOptions{why: "the file that haproxy was started with is unknown"}
	}
	for name, d := range o.servers[backend] {
		if lb.SlotIndex(name) >= 0 && !d.alike(o.model(backend, name)) {
			return &lineOptions{why: "its lines in haproxy.cfg differ in more than their members, or contain variables"}
		}
	}
	slot := o.slotOptions[backend]
	return addedOptions(o.options, slices.Concat(slot.common, own.Words(), slot.line))
}

// Options that an added line does not need: a slot has an IP
// address, its own weight, and is in maintenance at first.
const meaningless = " weight enabled disabled init-addr resolvers resolve-net resolve-opts resolve-prefer stick "

// Options that "no-" can revert. HAProxy accepts no such "no-" on an added line.
const revocable = " agent-check backup check check-reuse-pool check-send-proxy check-ssl send-proxy send-proxy-v2" +
	" send-proxy-v2-ssl send-proxy-v2-ssl-cn ssl tfo "

// addedOptions are the options with which an added line behaves like a line of the file that has
// the options given.
func addedOptions(t optionTable, options []string) *lineOptions {
	o := &lineOptions{}
	given := map[string]string{}
	for len(options) > 0 {
		name := options[0]
		n, ok := t.arguments(name)
		if !ok || len(options) <= n {
			return &lineOptions{why: "option " + strconv.Quote(name) + " is unknown"}
		}
		words := options[:1+n]
		options = options[1+n:]
		revoked, isNegation := strings.CutPrefix(name, "no-")
		switch {
		case hasWord(meaningless, name) || name == "max-reuse" && words[1] == "-1":
		case isNegation && hasWord(revocable, revoked):
			o.words = slices.DeleteFunc(o.words, func(w string) bool { return w == revoked })
			delete(given, revoked)
		default:
			o.words = append(o.words, words...)
			given[name] = words[n]
		}
	}
	o.addDefaults(given)
	o.checkOverTLS(given)
	_, o.check = given["check"]
	_, o.agent = given["agent-check"]
	if i := slices.IndexFunc(o.words, isUnsafe); i >= 0 {
		o.why = "the stats socket does not take " + strconv.Quote(o.words[i]) + " as one word"
	}
	return o
}

// addDefaults adds the defaults that HAProxy 2.6 leaves out of added lines. Without those
// of the connection pool, connections are not reused.
func (o *lineOptions) addDefaults(given map[string]string) {
	for _, d := range [][2]string{{"pool-max-conn", "-1"}, {"pool-purge-delay", "5s"}} {
		if given[d[0]] == "" {
			o.words = append(o.words, d[:]...)
		}
	}
	if given["observe"] != "" {
		for _, d := range [][2]string{{"error-limit", "10"}, {"on-error", "fail-check"}} {
			if given[d[0]] == "" {
				o.words = append(o.words, d[:]...)
			}
		}
	}
	switch least, most := given["minconn"], given["maxconn"]; {
	case least == "" && most != "":
		o.words = append(o.words, "minconn", most)
	case least != "" && most == "":
		o.words = append(o.words, "maxconn", least)
	}
	// The number of requests on a connection, which cannot be given, is 0 in HAProxy 2.6.
	if strings.HasPrefix(given["proto"], "h2") || strings.Contains(given["alpn"], "h2") || given["ws"] == "h2" || given["proto"] == "fcgi" {
		o.why = "connections of HTTP/2 and FastCGI to added lines would not be reused"
	}
}

// checkOverTLS makes the checks of an added line use TLS, as those of a line in the file do.
// HAProxy 2.6 to 3.2 need an explicit option for that; without it, checks in clear text would find
// the server down.
func (o *lineOptions) checkOverTLS(given map[string]string) {
	_, speaksTLS := given["ssl"]
	_, isSaid := given["check-ssl"]
	if speaksTLS && !isSaid && given["port"] == "" && given["addr"] == "" {
		o.words = append(o.words, "check-ssl")
	}
}

func hasWord(list, name string) bool { return strings.Contains(list, " "+name+" ") }

// isUnsafe reports whether the stats socket may read a word differently from haproxy.cfg.
func isUnsafe(word string) bool {
	return word == "" || strings.ContainsFunc(word, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`;\"'#<`, r)
	})
}
