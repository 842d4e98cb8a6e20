package lb

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// This file finds raw lines that set the same as a field. One of the two would silently win, and
// which one depends on the template.

// An override is a raw line that contradicts a field.
type override struct {
	field string // that sets the same, e.g. "mode"
	value string // of the field; empty: described by expected alone
}

// CheckNew checks the conditions that apply only to new definitions, not to those that are stored
// already. The error is an *InvalidError.
func (f Frontend) CheckNew() error {
	var fe FieldErrors
	f.Key.checkNew(&fe)
	checkListenedOnce(&fe, f.listeners())
	f.checkAcceptProxy(&fe)
	for i, n := range f.Natives {
		if o, ok := f.overridden(lineWords(n)); ok {
			addOverride(&fe, i, n, o)
		}
	}
	return fe.Err()
}

// FieldOverrides returns a sentence for each raw line of the intent that contradicts a field of its
// object, sorted by object.
func FieldOverrides(in Intent) []string {
	var out []string
	note := func(id string, err error) {
		if invalid, ok := errors.AsType[*InvalidError](err); ok {
			for _, field := range invalid.Fields {
				out = append(out, id+": "+field.Error()+"; it stays in effect until it is edited")
			}
		}
	}
	for _, b := range in.SortedBackends() {
		var fe FieldErrors
		b.checkOverrides(&fe)
		note(b.ID(), fe.Err())
	}
	for _, f := range in.SortedFrontends() {
		note(f.ID(), f.CheckNew())
	}
	return append(out, sharedListeners(in)...)
}

// sharedListeners are one sentence for each address of a raw line that another frontend
// has as well.
func sharedListeners(in Intent) []string {
	var out []string
	frontends := in.SortedFrontends()
	all := make([][]listener, len(frontends))
	for i, f := range frontends {
		all[i] = f.listeners()
		for _, l := range all[i] {
			for j := range i {
				if slices.ContainsFunc(all[j], l.overlaps) {
					out = append(out, f.ID()+": "+l.path+": "+l.text+" is bound by "+frontends[j].ID()+" too, so that each gets a part of the connections")
				}
			}
		}
	}
	return out
}

func addOverride(fe *FieldErrors, i int, n RawLine, o override) {
	expected := "no such line"
	if o.value != "" {
		expected = "the same as " + o.field + " (" + o.value + "), or no such line"
	}
	fe.Add("natives["+strconv.Itoa(i)+"]", strconv.Quote(string(n))+" sets what the field "+o.field+" sets", expected)
}

// lineWords are the words of a raw line.
func lineWords(n RawLine) []string {
	w, _ := SplitWords(string(n))
	return w.Values
}

// wordAt is the word at a position, or "".
func wordAt(words []string, at int) string {
	if at < len(words) {
		return words[at]
	}
	return ""
}

// closingOptions choose how connections end after a request; the last one counts.
const closingOptions = " http-keep-alive http-server-close httpclose forceclose http-tunnel "

func (f Frontend) overridden(words []string) (override, bool) {
	value := wordAt(words, 1)
	switch wordAt(words, 0) {
	case "mode":
		return override{"mode", f.Mode}, value != f.Mode
	case "default_backend":
		return override{"backend", string(f.Backend)}, f.Backend != "" && value != string(f.Backend)
	case "option":
		own := map[string]string{"close": "httpclose", "server-close": "http-server-close"}[f.Keepalive]
		return override{"keepalive", f.Keepalive}, own != "" && isOneOf(closingOptions, value) && value != own
	case "acl":
		digits, ok := strings.CutPrefix(value, "rule_")
		number, err := strconv.Atoi(digits)
		return override{field: "rules"}, ok && err == nil && number >= 1 && number <= len(f.Rules)
	}
	return override{}, false
}

// checkListenedOnce refuses an address that an object binds twice.
func checkListenedOnce(fe *FieldErrors, all []listener) {
	for i, l := range all {
		for _, o := range all[:i] {
			if l.overlaps(o) && (l.path != o.path || l.text != o.text) {
				fe.Add(l.path, strconv.Quote(l.text)+" is bound by "+o.path+" already", "each address once")
				break
			}
		}
	}
}

// checkOverrides refuses raw lines that set what a field of the backend, or the agent for
// each of its servers, sets.
func (b Backend) checkOverrides(fe *FieldErrors) {
	for i, n := range b.Natives {
		words := lineWords(n)
		if wordAt(words, 0) == "default-server" {
			b.checkDefaultServer(fe, i, words)
		} else if o, ok := b.overridden(words); ok {
			addOverride(fe, i, n, o)
		}
	}
}

// checkOptions are the options that choose how servers are checked.
const checkOptions = " external-check httpchk ldap-check mysql-check pgsql-check redis-check smtpchk spop-check ssl-hello-chk tcp-check "

func (b Backend) overridden(words []string) (override, bool) {
	value := wordAt(words, 1)
	switch wordAt(words, 0) {
	case "mode":
		return override{"mode", b.Mode}, value != b.Mode
	case "balance":
		text := strings.Join(words[1:], " ")
		return override{"balance", b.Balance}, text != b.Balance
	case "option":
		return override{field: "health"}, b.Health != nil && isOneOf(checkOptions, value) && len(words) > 1 &&
			(value != "httpchk" || len(words) > 2)
	case "no":
		return override{field: "health"}, b.Health != nil && value == "option" && wordAt(words, 2) == "httpchk"
	case "http-check":
		return override{field: "health"}, b.Health != nil && (value == "send" || value == "connect")
	case "http-request":
		name := strings.ToLower(wordAt(words, 2))
		return override{"host", b.Host}, b.Host != "" && b.Mode == "http" && name == "host" &&
			slices.Contains([]string{"set-header", "add-header", "replace-header", "replace-value", "del-header"}, value)
	}
	return override{}, false
}

// checkDefaultServer refuses options that each server line sets itself. Those that have a
// field, or that the agent takes over, are named there.
func (b Backend) checkDefaultServer(fe *FieldErrors, i int, words []string) {
	path := "natives[" + strconv.Itoa(i) + "]"
	settings := b.serverDefaults()
	for at := 1; at < len(words); at++ {
		option, value := words[at], wordAt(words, at+1)
		if field, isSet := b.Transport.optionField(option); isSet {
			fe.Add(path, option+" sets what the field "+field+" sets", "no such option, or no "+field)
		}
		switch {
		case option == "no-check":
			fe.Add(path, "no-check has no effect: every server is checked", "no such option")
		case option == "disabled":
			fe.Add(path, "disabled has no effect: the agent decides which servers get traffic", "no such option")
		case option == "weight" && b.Type == "dynamic":
			fe.Add(path, "weight has no effect: the weights of a dynamic backend are Consul's", "no such option")
		case option == "weight" && settings.weight < 0, option == "inter" && settings.interval == 0:
			fe.Add(path, option+" "+strconv.Quote(value)+" cannot be read", "a weight of 0 to 256, an interval of 1 ms to 24 h")
		case option == "inter" && b.Health != nil && b.Health.Interval != settings.interval:
			fe.Add(path, "inter "+value+" sets what health.interval sets", "the same as health.interval ("+b.Health.Interval.String()+"), or no such option")
		case option == "hash-key" && b.HashStable && value != "addr-port":
			fe.Add(path, "hash-key "+value+" sets what hashStable sets", "addr-port, or no such option")
		case option == "init-addr" && !settings.resolves:
			fe.Add(path, "init-addr has no effect: every server line has its own", "resolvers beside it, or no such option")
		}
		if isOneOf(serverValues, option) {
			at++
		}
	}
}
