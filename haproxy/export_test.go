package haproxy

// Said is how HAProxy's words are put for a person.
var Said = said
