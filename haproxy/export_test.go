package haproxy

import "strconv"

// Said is how HAProxy's words are put for a person.
var Said = said

// Binds lists the addresses that are looked at before a reload, each with its
// line.
func Binds(config []byte) []string {
	var all []string
	for _, b := range binds(config) {
		all = append(all, strconv.Itoa(b.line)+" "+b.addr.String())
	}
	return all
}
