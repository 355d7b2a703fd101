# Completion of sortie(8), by whichever name, for fish: /usr/share/fish/vendor_completions.d/sortie.fish

for name in sortie sendmail send-mail mailq
    complete -c $name -f
    complete -c $name -o C -r -F -d configuration
    complete -c $name -o F -x -d 'full name of the sender'
    complete -c $name -o f -x -d sender
    complete -c $name -o r -x -d sender
    complete -c $name -o i -d 'a line with a dot alone does not end the message'
    complete -c $name -o t -d 'recipients are in the headers'
    complete -c $name -o v -d 'shows the delivery'
    complete -c $name -o bm -d 'takes a message in'
    complete -c $name -o bp -d 'shows the queue'
    complete -c $name -o bs -d 'SMTP on standard input'
    complete -c $name -o bi -d 'looks at the aliases'
    complete -c $name -o bv -d 'says where mail for the addresses would go'
    complete -c $name -o bd -d 'stays and looks at the queue'
    complete -c $name -o q -d 'delivers what is due'
    complete -c $name -o q15m -d '... every so often'
    complete -c $name -o qI -d 'delivers those whose id has this'
    complete -c $name -o qR -d 'delivers those with such a recipient'
    complete -c $name -o qS -d 'delivers those with such a sender'
    complete -c $name -o odb -d 'delivers in the background'
    complete -c $name -o odi -d 'delivers, and waits for that'
    complete -c $name -o odq -d 'leaves it in the queue'
    complete -c $name -l version
end
