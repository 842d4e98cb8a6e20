package lb

import (
	"net/netip"
	"slices"
	"strconv"
)

// A LocalUse is an interface or a source address of this machine that a raw line names.
type LocalUse struct {
	Object    string // id of the frontend or backend
	Field     string // e.g. "natives[2]"
	Interface string
	Source    netip.Addr // where Interface is empty
}

// Lacking is a sentence that says that the machine does not have it.
func (u LocalUse) Lacking() string {
	text := u.Object + ": " + u.Field + ": this machine has no "
	if u.Interface != "" {
		return text + "interface " + strconv.Quote(u.Interface) + ", so HAProxy does as if the line did not name one"
	}
	return text + "address " + u.Source.String() + ", so no connection can come from it"
}

// LocalUses lists the uses in the raw lines of the objects with these ids; nil: of all objects.
func LocalUses(in Intent, ids []string) []LocalUse {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	var out []LocalUse
	for _, b := range in.SortedBackends() {
		if ids == nil || wanted[b.ID()] {
			out = append(out, localUses(b.ID(), b.Natives)...)
		}
	}
	for _, f := range in.SortedFrontends() {
		if ids == nil || wanted[f.ID()] {
			out = append(out, localUses(f.ID(), f.Natives)...)
			out = append(out, f.RawBind.localUses(LocalUse{Object: f.ID(), Field: "bind"})...)
		}
	}
	return out
}

func localUses(id string, lines []RawLine) []LocalUse {
	all := make([][]LocalUse, len(lines))
	for i, n := range lines {
		all[i] = n.localUses(LocalUse{Object: id, Field: "natives[" + strconv.Itoa(i) + "]"})
	}
	return slices.Concat(all...)
}

// localUses are those of one line; at says where it is. An interface or source of another
// network namespace is none of this machine's, and with usesrc the kernel lets HAProxy use
// any address.
func (n RawLine) localUses(at LocalUse) []LocalUse {
	words := lineWords(n)
	if !isOneOf(" bind server server-template default-server source ", wordAt(words, 0)) {
		return nil
	}
	var out []LocalUse
	for i, w := range words {
		use := at
		switch w {
		case "namespace", "usesrc":
			return nil
		case "interface":
			use.Interface = wordAt(words, i+1)
		case "source":
			use.Source, _ = netip.ParseAddr(parseTarget(word{text: wordAt(words, i+1)}).host)
		}
		if use.Interface != "" || use.Source.IsValid() && !use.Source.IsUnspecified() {
			out = append(out, use)
		}
	}
	return out
}
