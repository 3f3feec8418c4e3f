package main

import (
	"log"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

func readUpstream(file string) []string {
	config, err := dns.ClientConfigFromFile(file)
	if err != nil {
		log.Printf("%s: %v; only names of the cluster are answered", file, err)
		return nil
	}
	var servers []string
	for _, server := range config.Servers {
		servers = append(servers, net.JoinHostPort(server, config.Port))
	}
	return servers
}

func refuse(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetRcode(query, dns.RcodeServerFailure)
	w.WriteMsg(reply)
}

func (s *server) exchange(query *dns.Msg, network string) *dns.Msg {
	client := &dns.Client{Net: network, Timeout: 2 * time.Second}
	for _, upstream := range s.upstream {
		if reply, _, err := client.Exchange(query, upstream); err == nil {
			return reply
		}
	}
	return nil
}

func (s *server) forward(w dns.ResponseWriter, query *dns.Msg) {
	network := "tcp"
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		network = "udp"
	}
	if reply := s.exchange(query, network); reply != nil {
		w.WriteMsg(reply)
		return
	}
	refuse(w, query)
}

// chase adds what an ExternalName's target resolves to.
func (s *server) chase(reply *dns.Msg, question dns.Question, target string) {
	if question.Qtype == dns.TypeCNAME {
		return
	}
	if dns.IsSubDomain(s.zone, target) {
		s.answer(reply, dns.Question{Name: target, Qtype: question.Qtype, Qclass: question.Qclass},
			strings.TrimSuffix(strings.TrimSuffix(target, s.zone), "."))
		return
	}
	query := new(dns.Msg)
	query.SetQuestion(target, question.Qtype)
	if found := s.exchange(query, "udp"); found != nil {
		reply.Answer = append(reply.Answer, found.Answer...)
	}
}
