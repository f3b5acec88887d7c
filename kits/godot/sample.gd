extends SceneTree
## A sample game server: godot --headless --script sample.gd -- <port> [host]. Players talk to it in lines over TCP. The
## first line is the seat token; it answers `welcome <user id>` or `refused <reason>`. `bye` leaves. Who is cut off may come
## back. The game is over when the last player who is there says bye.

const HEARTBEAT_S := 10.0
## Far more than a token has: nobody makes the server keep an endless line.
const LONGEST_LINE := 2000

var _server: Variant
var _listener := TCPServer.new()
var _peers: Array[Peer] = []
## The connection of every player who is there, by user id.
var _present := {}
var _played := {}


func _initialize() -> void:
	_server = load(get_script().resource_path.get_base_dir().path_join("gameye_server.gd")).new()
	root.add_child(_server)
	var arguments := OS.get_cmdline_user_args()
	var port := int(arguments[0]) if arguments.size() > 0 else 7777
	var host := arguments[1] if arguments.size() > 1 else "0.0.0.0"
	if _listener.listen(port, host) != OK:
		printerr("cannot use TCP port %d" % port)
		quit(1)
	_live.call_deferred()


func _live() -> void:
	_report("ready", await _server.ready_for_players())
	while true:
		_report("heartbeat", await _server.heartbeat())
		await create_timer(HEARTBEAT_S).timeout


## Every frame.
func _process(_delta: float) -> bool:
	while _listener.is_connection_available():
		_peers.append(Peer.new(_listener.take_connection()))
	for peer: Peer in _peers.duplicate():
		_hear(peer)
	return false


func _hear(peer: Peer) -> void:
	var line := peer.next_line()
	if line == "" and peer.is_open():
		return
	if line == "":
		_peers.erase(peer)
		_leave(peer, true)
	elif peer.token == "":
		peer.token = line
		_admit(peer)
	elif line == "bye" and peer.user_id != "":
		_leave(peer, false)


func _admit(peer: Peer) -> void:
	var seat: Dictionary = _server.verify_seat_token(peer.token)
	if seat.has("refused"):
		return peer.end("refused %s" % seat["refused"])
	var user_id: String = seat["user_id"]
	var joined: Dictionary = await _server.joined([user_id])
	_report("joined", joined)
	if user_id in joined.get("refused", []):
		return peer.end("refused no seat")
	if _present.has(user_id):
		_present[user_id].end("")
	_present[user_id] = peer
	_played[user_id] = true
	peer.user_id = user_id
	peer.say("welcome %s" % user_id)


func _leave(peer: Peer, hold: bool) -> void:
	if peer.user_id == "" or _present.get(peer.user_id) != peer:
		return
	_present.erase(peer.user_id)
	peer.end("")
	_report("left", await _server.left([peer.user_id], hold))
	if hold or not _present.is_empty():
		return
	_report("closed", await _server.closed())
	_report("result", await _server.result({"played": _played.keys()}))
	_report("end", await _server.end())
	quit()


## Says how a report went; the game goes on without Nakama.
func _report(what: String, answer: Dictionary) -> void:
	var why := "" if answer["outcome"] == "done" else " (%d: %s)" % [answer["code"], answer["message"]]
	print("%s: %s%s" % [what, answer["outcome"], why])


class Peer:
	var token := ""
	var user_id := ""
	var _stream: StreamPeerTCP
	var _heard := PackedByteArray()

	func _init(stream: StreamPeerTCP) -> void:
		_stream = stream

	func is_open() -> bool:
		return _stream.get_status() == StreamPeerTCP.STATUS_CONNECTED

	## Empty when there is none yet, and when there will be none any more.
	func next_line() -> String:
		_stream.poll()
		if is_open() and _stream.get_available_bytes() > 0:
			_heard.append_array(_stream.get_partial_data(_stream.get_available_bytes())[1])
		var end := _heard.find(10)
		if end < 0:
			if _heard.size() > LONGEST_LINE:
				_stream.disconnect_from_host()
			return ""
		var line := _heard.slice(0, end).get_string_from_utf8()
		_heard = _heard.slice(end + 1)
		return line if line != "" else " "

	func say(line: String) -> void:
		_stream.put_data((line + "\n").to_utf8_buffer())

	func end(line: String) -> void:
		if line != "":
			say(line)
		_stream.disconnect_from_host()
