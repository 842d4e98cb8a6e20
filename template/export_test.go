package template

// Quote is the function quote of templates.
func Quote(s string) string { return quote(s) }

// Chunk is the function chunk of templates.
func Chunk(list []string) [][]string { return chunk(list) }

// Words are the words of a line as this package reads them.
func Words(text string) ([]string, error) {
	l, err := newLine(1, text)
	return l.words, err
}
