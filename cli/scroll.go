package cli

import "fmt"

// A scroll is the part of a list of lines that a window shows.
type scroll struct {
	first       int // of the lines that are shown, from 0
	room, total int // of the window, and of the list, as last drawn
}

// press moves the part by a key.
func (s *scroll) press(k key) {
	page := max(1, s.room-2) // the heading and one line stay
	switch k {
	case keyUp, 'k':
		s.first--
	case keyDown, 'j':
		s.first++
	case keyPageUp, 'b':
		s.first -= page
	case keyPageDown, ' ':
		s.first += page
	case keyHome, 'g':
		s.first = 0
	case keyEnd, 'G':
		s.first = s.total
	default: // another key moves nothing
	}
	s.first = min(max(0, s.first), max(0, s.total-s.room))
}

// window cuts a list to the room of a window. The heading of the first line stays in
// view; headings are the indexes of all.
func (s *scroll) window(list []line, headings []int, room int) []line {
	s.room, s.total = max(0, room), len(list)
	s.first = min(max(0, s.first), max(0, s.total-s.room))
	out := append([]line(nil), list[s.first:min(s.total, s.first+s.room)]...)
	heading := -1
	for _, h := range headings {
		if h <= s.first {
			heading = h
		}
	}
	if heading >= 0 && len(out) > 1 {
		out[0] = list[heading]
	}
	return out
}

// status says which lines are shown; empty: all.
func (s *scroll) status() string {
	if s.total <= s.room {
		return ""
	}
	return fmt.Sprintf("%d-%d of %d", s.first+1, min(s.total, s.first+s.room), s.total)
}
