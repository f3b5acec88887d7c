extends SceneTree
## A sample game server: godot --headless --script sample.gd -- <port> [host]. Players talk to it in lines over TCP. The
## first line is the seat token; it answers `welcome <user id>` or `refused <reason>`. `bye` leaves. Who is cut off may come
## back. The game is over when the last player who is there says bye.

# A project of yours knows the class by its name, without this line.
const GameyeServer := preload("gameye_server.gd")
const HEARTBEAT_S := 10.0
const NOT_FOUND := 5

var server := GameyeServer.new()
var _listener := TCPServer.new()
var _players: Array[Player] = []
## Who is there, by user id.
var _present := {}
var _played := {}


func _initialize() -> void:
	root.add_child(server)
	var arguments := OS.get_cmdline_user_args()
	var port := int(arguments[0]) if arguments.size() > 0 else 7777
	var host := arguments[1] if arguments.size() > 1 else "0.0.0.0"
	if _listener.listen(port, host) != OK:
		printerr("cannot use TCP port %d" % port)
		return quit(1)
	_live.call_deferred()


func _live() -> void:
	Player.report("ready", await server.ready_for_players())
	while true:
		var answer := await server.heartbeat()
		Player.report("heartbeat", answer)
		# Nakama does not know the session any more: nobody will come.
		if answer.outcome == "refused" and answer.code == NOT_FOUND:
			quit()
		await create_timer(HEARTBEAT_S).timeout


## Every frame.
func _process(_delta: float) -> bool:
	while _listener.is_connection_available():
		_players.append(Player.new(_listener.take_connection(), server))
	for player: Player in _players.duplicate():
		_hear(player)
	return false


func _hear(player: Player) -> void:
	var line := player.next_line()
	if line == "" and player.is_open():
		return
	if line == "":
		_players.erase(player)
		_leave(player, true)
	elif player.token == "":
		player.token = line
		if await player.admit():
			_welcome(player)
	elif line == "bye":
		_leave(player, false)


func _welcome(player: Player) -> void:
	if _present.has(player.user_id):
		_present[player.user_id].close()
	_present[player.user_id] = player
	_played[player.user_id] = true
	player.say("welcome %s" % player.user_id)


func _leave(player: Player, hold: bool) -> void:
	if _present.get(player.user_id) != player:
		return
	_present.erase(player.user_id)
	player.close()
	await player.leave(hold)
	if hold or not _present.is_empty():
		return
	var played := _played.keys()
	Player.report("closed", await server.closed())
	Player.report("result", await server.result({"played": played}))
	Player.report("end", await server.end())
	quit()


class Player:
	## Far more than a token has: nobody makes the server keep an endless line.
	const LONGEST_LINE := 2000

	var token := ""
	var user_id := ""
	var server: GameyeServer
	var _stream: StreamPeerTCP
	var _heard := PackedByteArray()

	func _init(stream: StreamPeerTCP, game_server: GameyeServer) -> void:
		_stream = stream
		server = game_server

	func admit() -> bool:
		var seat := server.verify_seat_token(token)
		if seat.has("refused"):
			return refuse(seat.refused)
		var joined := await server.joined([seat.user_id])
		report("joined", joined)
		if joined.outcome == "done" and seat.user_id in joined.refused:
			return refuse("no seat")
		user_id = seat.user_id
		return true

	func leave(hold: bool) -> void:
		report("left", await server.left([user_id], hold))

	func refuse(why: String) -> bool:
		say("refused %s" % why)
		close()
		return false

	func is_open() -> bool:
		return _stream.get_status() == StreamPeerTCP.STATUS_CONNECTED

	## Empty when there is none yet, and when there will be none any more.
	func next_line() -> String:
		_stream.poll()
		if is_open() and _stream.get_available_bytes() > 0:
			_heard.append_array(_stream.get_partial_data(_stream.get_available_bytes())[1])
		var line_end := _heard.find(10)
		if line_end < 0:
			if _heard.size() > LONGEST_LINE:
				close()
			return ""
		var line := _heard.slice(0, line_end).get_string_from_utf8()
		_heard = _heard.slice(line_end + 1)
		return line if line != "" else " "

	func say(line: String) -> void:
		_stream.put_data((line + "\n").to_utf8_buffer())

	func close() -> void:
		_stream.disconnect_from_host()

	## The game goes on without Nakama.
	static func report(what: String, answer: Dictionary) -> void:
		var how := "done" if answer.outcome == "done" else "code %d, %s" % [answer.code, answer.message]
		print("%s: %s" % [what, how])
