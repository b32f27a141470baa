//! Exact sentences of findings, as a technician reads them, in both languages: fact, then act.

use serde_json::json;

use super::{MORNING, contacts, finding, params, with};
use crate::claims::Finding;
use crate::text::{self, Lang, Sentence};

fn said(lang: Lang, finding: &Finding) -> (String, String) {
    let Sentence { label, act } = text::finding(lang, finding, &contacts());
    (label, act)
}

fn measured(
    check: &str,
    code: &str,
    value: f64,
    unit: &str,
    bounds: (Option<f64>, Option<f64>),
    base: Option<f64>,
) -> Finding {
    let (low, high) = bounds;
    Finding {
        value: Some(value),
        unit: Some(unit.to_owned()),
        low,
        high,
        base,
        ..finding(check, code)
    }
}

#[test]
fn findings_say_the_fact_and_the_act() {
    let table: Vec<(Finding, [&str; 4])> = vec![
        (
            finding("codec.reachable", "codec.no-answer"),
            [
                "Thiết bị hội nghị không trả lời",
                "Kiểm tra thiết bị đã bật nguồn và dây mạng đã cắm chắc, rồi bấm \"Kiểm tra lại\".",
                "The codec does not answer",
                "See that it is switched on and its network cable is firmly in, then press \"Check again\".",
            ],
        ),
        (
            finding("codec.reachable", "codec.login-refused"),
            [
                "Hộp không đăng nhập được thiết bị hội nghị",
                "Không tự đổi mật khẩu. Báo VNPT khu vực (02033 825 547) cấp lại quyền xem cho hộp.",
                "The box cannot log in to the codec",
                "Do not change the password. Ask VNPT khu vực (02033 825 547) to renew the box's right to read.",
            ],
        ),
        (
            with(
                "codec.ip",
                "codec.ip-differs",
                json!({"value": "10.0.0.9", "expected": "10.0.0.5"}),
            ),
            [
                "IP là 10.0.0.9, đúng ra là 10.0.0.5",
                "Không tự sửa. Báo VNPT khu vực (02033 825 547).",
                "The IP address is 10.0.0.9, it should be 10.0.0.5",
                "Do not change it. Tell VNPT khu vực (02033 825 547).",
            ],
        ),
        (
            with(
                "codec.parameters",
                "codec.setting-differs",
                json!({"setting": "echo_cancellation", "value": false, "expected": true}),
            ),
            [
                "Triệt vọng (khử tiếng vọng): đang là tắt, mốc chuẩn là bật",
                "Không tự sửa. Báo VNPT khu vực trước giờ họp.",
                "Echo cancellation: now off, baseline on",
                "Do not change it. Tell VNPT khu vực before the meeting.",
            ],
        ),
        (
            measured(
                "codec.display",
                "codec.display-missing",
                1.0,
                "",
                (Some(2.0), None),
                None,
            ),
            [
                "Chỉ thấy 1/2 màn hình",
                "Bật màn hình, chọn đúng ngõ vào, cắm lại dây HDMI.",
                "Screens seen: 1 of 2",
                "Switch the screen on, choose the right input, plug the HDMI cable in again.",
            ],
        ),
        (
            measured(
                "codec.audio",
                "codec.volume-low",
                10.0,
                "%",
                (Some(30.0), None),
                Some(50.0),
            ),
            [
                "Âm lượng loa đang 10 %",
                "Chỉnh về mức đã dùng lúc tổng duyệt (50 %).",
                "The loudspeaker volume is 10 %",
                "Set it to the level used at the rehearsal (50 %).",
            ],
        ),
        (
            measured(
                "codec.audio",
                "codec.volume-low",
                10.0,
                "%",
                (Some(30.0), None),
                None,
            ),
            [
                "Âm lượng loa đang 10 %",
                "Chỉnh về mức đã dùng lúc tổng duyệt.",
                "The loudspeaker volume is 10 %",
                "Set it to the level used at the rehearsal.",
            ],
        ),
        (
            finding("codec.idle", "codec.in-call"),
            [
                "Đang có cuộc gọi",
                "Nếu trung tâm gọi thì không cần làm gì. Nếu không, hỏi trung tâm trước khi ngắt.",
                "In a call",
                "If the centre called, there is nothing to do. If not, ask the centre before ending it.",
            ],
        ),
        (
            finding("camera.main.reachable", "camera.no-answer"),
            [
                "Camera chính không nhận lệnh",
                "Kiểm tra nguồn camera và dây điều khiển, rồi kiểm tra lại.",
                "The main camera does not take commands",
                "Check the camera's power and control cable, then check again.",
            ],
        ),
        (
            with(
                "camera.main.preset.2",
                "camera.preset-not-reached",
                json!({"preset": "left"}),
            ),
            [
                "Camera không quay tới vị trí bên trái",
                "Xem có vật cản hoặc camera kẹt; tắt bật nguồn camera một lần.",
                "The camera does not reach position left",
                "Look for something in its way or a jam; switch the camera off and on once.",
            ],
        ),
        (
            measured(
                "camera.main.preset.2",
                "camera.preset-moved",
                -2.53,
                "deg",
                (None, Some(1.0)),
                None,
            ),
            [
                "Vị trí 2 lệch 2,5° so với mốc chuẩn",
                "Nếu vừa lưu lại cho sơ đồ chỗ ngồi mới, bấm \"Lưu làm mốc chuẩn\"; nếu không, lưu lại vị trí nhớ.",
                "Position 2 is 2.5° away from the baseline",
                "If it was stored anew for a seating plan, press \"Accept as baseline\"; if not, store the preset again.",
            ],
        ),
        (
            measured(
                "camera.main.preset.2",
                "camera.preset-slow",
                7300.0,
                "ms",
                (None, Some(6000.0)),
                None,
            ),
            [
                "Camera quay chậm (7,3 giây)",
                "Họp được. Báo VNPT khu vực khi bảo trì.",
                "The camera moves slowly (7.3 s)",
                "Fit for the meeting. Tell VNPT khu vực at the next maintenance.",
            ],
        ),
        (
            finding("mic.chair.howl", "mic.howl"),
            [
                "Micro chủ tọa bị hú, rít",
                "Giảm âm lượng loa, quay micro tránh loa, tắt micro không dùng.",
                "The chair microphone howls",
                "Lower the loudspeakers, turn the microphone away from them, mute microphones that are not used.",
            ],
        ),
        (
            measured(
                "mic.chair.level",
                "mic.quiet",
                -41.26,
                "dBFS",
                (Some(-35.0), None),
                None,
            ),
            [
                "Tiếng nhỏ (-41,3 dBFS)",
                "Nói gần micro 20–30 cm; tăng nhẹ kênh này trên bàn trộn.",
                "The voice is quiet (-41.3 dBFS)",
                "Speak 20–30 cm from the microphone; raise this channel a little on the mixer.",
            ],
        ),
        (
            finding("power.mains", "power.on-battery"),
            [
                "Mất điện lưới, đang chạy bằng UPS",
                "Xem cầu dao, phích cắm; mất điện khu vực thì gọi Điện lực (1900 6769) và chuẩn bị máy phát.",
                "Mains power is lost, running on the UPS",
                "Look at the breaker and the plug; if the whole area is out, call the power company (1900 6769) and get the generator ready.",
            ],
        ),
        (
            measured(
                "power.runtime",
                "power.runtime-short",
                25.0,
                "min",
                (Some(120.0), None),
                None,
            ),
            [
                "UPS giữ được 25 phút, cuộc họp 120 phút",
                "Rút bớt thiết bị không cần; chuẩn bị máy phát.",
                "The UPS lasts 25 min, the meeting 120 min",
                "Unplug what is not needed; get the generator ready.",
            ],
        ),
        (
            with(
                "power.protected",
                "power.not-protected",
                json!({"device": "display"}),
            ),
            [
                "Màn hình không cắm qua UPS",
                "Trước giờ họp, khi chưa kết nối, chuyển màn hình sang ổ của UPS.",
                "The screen is not fed through the UPS",
                "Before the meeting, while not connected, move the plug of the screen to the UPS.",
            ],
        ),
        (
            measured(
                "line.up",
                "line.up-low",
                1980.0,
                "kbit/s",
                (Some(4096.0), None),
                None,
            ),
            [
                "Chiều đi chỉ 2 Mbit/s, cần 4,1",
                "Tắt camera giám sát, máy đang tải dữ liệu; đo lại, vẫn thấp thì gọi VNPT khu vực.",
                "Up only 2 Mbit/s, 4.1 needed",
                "Turn off surveillance cameras and computers that transfer files; measure again, and if still low, call VNPT khu vực.",
            ],
        ),
        (
            Finding {
                params: params(json!({"direction": "up"})),
                ..measured("line.loss", "line.loss", 4.2, "%", (None, Some(1.0)), None)
            },
            [
                "Mất gói 4,2 % (chiều đi)",
                "Cắm lại dây mạng; vẫn mất thì gọi VNPT khu vực, đọc số liệu này.",
                "Packet loss 4.2 % (up)",
                "Plug the network cable in again; if it goes on, call VNPT khu vực and read out this figure.",
            ],
        ),
        (
            with("line.reflector", "line.hub-down", json!({"incident": "BC-0412"})),
            [
                "Router thông, không thông về tỉnh",
                "Lỗi ngoài điểm cầu. Gọi VNPT khu vực (02033 825 547), đọc mã BC-0412.",
                "The router answers, the province is out of reach",
                "The fault is outside this room. Call VNPT khu vực (02033 825 547) and read out code BC-0412.",
            ],
        ),
        (
            finding("line.up", "line.no-slot"),
            [
                "Chưa đến lượt đo đường truyền",
                "Chờ 1 phút, bấm \"Kiểm tra lại\".",
                "Not yet this room's turn to measure the line",
                "Wait 1 minute, then press \"Check again\".",
            ],
        ),
        (
            finding("device.projector", "device.no-answer"),
            [
                "Máy chiếu không trả lời",
                "Bật nguồn máy chiếu, cắm lại dây.",
                "Projector does not answer",
                "Switch on projector and plug its cables in again.",
            ],
        ),
        (
            with(
                "host.logbook",
                "host.logbook-broken",
                json!({"line": 9_007_199_254_740_993_u64}),
            ),
            [
                "Sổ nhật ký hỏng ở dòng 9007199254740993",
                "Không xóa gì. Báo Sở KH&CN.",
                "The logbook is broken at line 9007199254740993",
                "Delete nothing. Tell Sở KH&CN.",
            ],
        ),
        (
            with(
                "baseline.changed",
                "baseline.changed",
                json!({"what": "software", "value": "ce11.1", "base": "ce9.15"}),
            ),
            [
                "Phiên bản phần mềm: ce11.1, lúc tổng duyệt là ce9.15",
                "Nếu do VNPT khu vực hướng dẫn, nhờ xác nhận rồi \"Lưu làm mốc chuẩn\"; nếu không, báo VNPT khu vực.",
                "Software version: ce11.1, at the rehearsal ce9.15",
                "If VNPT khu vực asked for it, have it confirmed and press \"Accept as baseline\"; if not, tell VNPT khu vực.",
            ],
        ),
        (
            with(
                "baseline.changed",
                "baseline.changed",
                json!({"what": "camera.main software", "value": "0102", "base": "0101"}),
            ),
            [
                "Phiên bản phần mềm (camera chính): 0102, lúc tổng duyệt là 0101",
                "Nếu do VNPT khu vực hướng dẫn, nhờ xác nhận rồi \"Lưu làm mốc chuẩn\"; nếu không, báo VNPT khu vực.",
                "Software version (camera main): 0102, at the rehearsal 0101",
                "If VNPT khu vực asked for it, have it confirmed and press \"Accept as baseline\"; if not, tell VNPT khu vực.",
            ],
        ),
        (
            with(
                "baseline.changed",
                "baseline.replaced",
                json!({"device": "power"}),
            ),
            [
                "UPS đã được thay (số sê-ri khác)",
                "Ghi lý do thay và người cho phép.",
                "The UPS has been replaced (other serial number)",
                "Write down why, and who allowed it.",
            ],
        ),
        (
            with("call.connected", "call.not-joined-20", json!({"minutes": 20})),
            [
                "Còn 20 phút, vẫn chưa kết nối",
                "Không tự quay số. Gọi Cục Bưu điện Trung ương (080 12345) ngay.",
                "20 min left, still not connected",
                "Do not dial. Call Cục Bưu điện Trung ương (080 12345) at once.",
            ],
        ),
        (
            with("codec.reachable", "no-answer", json!({"waited_ms": 15000})),
            [
                "Không trả lời trong 15 giây",
                "Xem nguồn và dây, rồi kiểm tra lại.",
                "No answer in 15 s",
                "Look at power and cables, then check again.",
            ],
        ),
        (
            with("line.mcu", "depends-on", json!({"check": "line.gateway"})),
            [
                "Bỏ qua vì kết nối tới thiết bị cổng (router) chưa đạt",
                "Xử lý kết nối tới thiết bị cổng (router) trước.",
                "Skipped because this has not passed: connection to the router",
                "Settle this first: connection to the router.",
            ],
        ),
        (
            Finding {
                carried_ms: Some(MORNING),
                ..finding("camera.main.preset.1", "in-call")
            },
            [
                "Đang trong phiên nên không thử",
                "Kết quả gần nhất: đạt lúc 07:30.",
                "In the meeting, so not tried",
                "Last result: pass at 07:30.",
            ],
        ),
        (
            finding("camera.main.preset.1", "in-call"),
            [
                "Đang trong phiên nên không thử",
                "Kiểm tra lại khi phiên họp kết thúc.",
                "In the meeting, so not tried",
                "Check again when the meeting is over.",
            ],
        ),
    ];
    assert!(table.len() >= 25);
    for (finding, [vi_label, vi_act, en_label, en_act]) in &table {
        assert_eq!(
            said(Lang::Vi, finding),
            ((*vi_label).to_owned(), (*vi_act).to_owned())
        );
        assert_eq!(
            said(Lang::En, finding),
            ((*en_label).to_owned(), (*en_act).to_owned())
        );
    }
}
